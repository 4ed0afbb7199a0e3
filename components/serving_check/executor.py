"""The serving check's executor."""

import json
from pathlib import Path
from typing import Any

from absl import logging

from components import blessings
from components.properties import SKIPPED
from components.serving_check.findings import REPORT_FILE, Findings
from components.serving_check.runner import Limits, Questions, run_check
from trainer_module import features, served, warmup
from trainer_module.signature_calls import load_signature
from trainer_module.tfx_internals import (
    artifact_utils,
    base_executor,
    infra_validator_executor,
    io_utils,
    model_utils,
    path_utils,
    standard_component_specs,
    types,
)

CONFIG_KEY = "config"
"""Execution property: the limits, as JSON."""

_SPLIT = "test"


class Executor(base_executor.BaseExecutor):
    """Compares a fresh process's answers with the Evaluator's predictions, and measures."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks the model, and marks the blessing as TFX's InfraValidator does.

        The blessing also says which model it is of, as the Evaluator's does.

        TFMA keeps figures, not predictions. They are made again as the Evaluator makes them:
        by the signature it evaluates, on the same raw examples of its split, in this process,
        which has what that has.

        Args:
            input_dict: `model`, `examples` and `model_blessing`.
            output_dict: `blessing`.
            exec_properties: `config`, see `ServingCheck`.
        """
        [blessing] = output_dict[standard_component_specs.BLESSING_KEY]
        [model_blessing] = input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        [model] = input_dict[standard_component_specs.MODEL_KEY]
        if model_utils.is_model_blessed(model_blessing):
            [examples] = input_dict[standard_component_specs.EXAMPLES_KEY]
            report = _check(model, examples, json.loads(exec_properties[CONFIG_KEY]))
        else:
            report = Findings(["not checked, since the Evaluator did not bless it"])
            blessing.set_string_custom_property(SKIPPED, "not blessed")
        for reason in report.reasons:
            logging.error("The model is not sound to serve: %s", reason)
        io_utils.write_string_file(str(Path(blessing.uri, REPORT_FILE)), report.to_json())
        name = "INFRA_NOT_BLESSED" if report.reasons else "INFRA_BLESSED"
        io_utils.write_string_file(str(Path(blessing.uri, name)), "")
        blessing.set_int_custom_property("blessed", int(not report.reasons))
        blessings.name_model(blessing, model)


class InfraValidatorExecutor(infra_validator_executor.Executor):
    """TFX's InfraValidator, with a blessing that says which model it is of."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Validates the model; arguments as those of TFX's."""
        super().Do(input_dict, output_dict, exec_properties)
        [blessing] = output_dict[standard_component_specs.BLESSING_KEY]
        [model] = input_dict[standard_component_specs.MODEL_KEY]
        blessings.name_model(blessing, model)


def _check(model: types.Artifact, examples: types.Artifact, config: dict) -> Findings:
    old = path_utils.is_old_model_artifact(model)
    directory = Path(path_utils.serving_model_path(model.uri, old))
    split = artifact_utils.get_split_uri([examples], _SPLIT)
    return run_check(
        directory, lambda: _gather(directory, split), Limits.of(config), features.IMAGE
    )


def _gather(model: Path, split: str) -> Questions:
    """Examples of a split, and what the signature that is evaluated answers to them."""
    raw = warmup.read_examples([f"{split}/*"])
    answers = load_signature(model, served.SERVING_DEFAULT)(raw)
    return Questions(raw, warmup.to_plain(answers))
