"""The Pusher's executor: whole versions that rise, and a manifest of where they come from."""

import json
from pathlib import Path
from typing import Any

from absl import logging
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact, artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from components.atomic_pusher.manifest import Facts
from components.atomic_pusher.store import Push, Store
from components.evaluation.reader import read_evaluation

HELD_BACK = "held_back"
"""Custom property of a `PushedModel`: the version as which the same model was rolled back."""


def held_back_reason(version: int) -> str:
    """Says why a model was held back, and what would serve it, in a phrase."""
    return f"it was rolled back, as version {version}: `rollback {version}` serves it again"


class Executor(executor.Executor):
    """Pushes through a `Store`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[artifact.Artifact]],
        output_dict: dict[str, list[artifact.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed, and says in the output what became of it.

        Args:
            input_dict: `model`, `model_blessing`, `infra_blessing` and `evaluation`.
            output_dict: `pushed_model`.
            exec_properties: `push_destination` and `custom_config`, both as JSON.

        Raises:
            StoreError: the serving directory refused; nothing became visible.
        """
        [pushed_model] = output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed_model)
            return
        model = self.GetModelPath(input_dict)
        push = self._push(Path(model), input_dict, exec_properties)
        logging.info("Version %d, %s: %s", push.version, push.state, push.path)
        if push.state == "held back":
            self._MarkNotPushed(pushed_model)
            pushed_model.set_int_custom_property(HELD_BACK, push.version)
            return
        # TFX takes a push from the cache for as long as there is such a copy.
        io_utils.copy_dir(model, pushed_model.uri)
        self._MarkPushed(pushed_model, str(push.path), str(push.version))

    def _push(self, model: Path, input_dict: dict, exec_properties: dict[str, Any]) -> Push:
        destination = proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY],
            pusher_pb2.PushDestination(),
        )
        config = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        evaluation = artifact_utils.get_single_uri(
            input_dict[standard_component_specs.EVALUATION_KEY]
        )
        facts = Facts(
            run=self._context.pipeline_run_id or "",
            source=config["model_source"],
            dataset=config["dataset"],
            metrics=_overall_figures(evaluation),
        )
        store = Store(Path(destination.filesystem.base_directory), config["server_dir"])
        return store.push(model, facts)


def _overall_figures(directory: str) -> dict[str, float]:
    """The candidate's figures on the whole split, by name."""
    return read_evaluation(directory).overall.model_dump(exclude={"intervals"}, exclude_none=True)
