"""The data gate's executor."""

import functools
import json
import logging
from pathlib import Path
from typing import Any

from components.data_gate.anomalies import Anomaly
from components.data_gate.findings import DataRefusedError, write_findings
from components.data_gate.judging import Bounds, Shown, judge
from components.data_gate.pictures import fetch
from trainer_module.tfx_internals import artifact_utils, base_executor, types

CONFIG_KEY = "config"
"""Execution property: severities and bounds, as JSON."""

BLESSING_KEY = "blessing"

_logger = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Reads what was found, and judges it."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `findings.json` where the data may pass.

        Args:
            input_dict: the artifacts, see `DataGate`.
            output_dict: `blessing`.
            exec_properties: `config`, see `DataGate`.

        Raises:
            DataRefusedError: something was found that stops the run.
        """
        directories = {name: Path(one.uri) for name, [one] in input_dict.items()}
        bounds = Bounds(**json.loads(exec_properties[CONFIG_KEY]))

        # A split may differ in several measures, and is read once for all of them.
        @functools.cache
        def show(split: str, anomaly: Anomaly | None) -> Shown:
            uri = artifact_utils.get_split_uri(input_dict["examples"], split)
            return fetch(Path(uri), anomaly)

        findings = judge(directories, bounds, show)
        for one in findings:
            _logger.warning("%s: %s", one.severity, one.sentence)
        if any(one.severity == "stop" for one in findings):
            raise DataRefusedError(findings)
        [blessing] = output_dict[BLESSING_KEY]
        directory = Path(blessing.uri)
        directory.mkdir(parents=True, exist_ok=True)
        write_findings(directory, findings)
