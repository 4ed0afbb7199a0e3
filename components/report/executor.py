"""The report's executor."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.report.contents import REPORT_FILE, Artifact, RunFacts
from components.report.reading import read_page
from components.report.render import render_report
from trainer_module.tfx_internals import base_executor, io_utils, types

CONFIG_KEY = "config"
"""Execution property: the facts, as JSON."""

OUTPUT_KEY = "report"


class Executor(base_executor.BaseExecutor):
    """Reads the run's artifacts and writes the page."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `report.html`.

        Args:
            input_dict: the artifacts, see `Report`.
            output_dict: `report`.
            exec_properties: `config`, see `Report`.
        """
        [report] = output_dict[OUTPUT_KEY]
        page = read_page(
            {
                name: Artifact.of(one.mlmd_artifact, one.type_name)
                for name, [one] in input_dict.items()
            },
            read_facts(exec_properties, self._context.pipeline_run_id or ""),
        )
        io_utils.write_string_file(str(Path(report.uri, REPORT_FILE)), render_report(page))


def read_facts(exec_properties: Mapping[str, Any], run: str) -> RunFacts:
    """Takes the facts out of the component's parameters, with the run's id."""
    return RunFacts(**{**json.loads(exec_properties[CONFIG_KEY]), "run": run})
