"""The Pusher's executor: whole versions that rise, and a manifest of where they come from."""

import json
from pathlib import Path
from typing import Any

from absl import logging

from components import blessings
from components.evaluation.reader import read_evaluation
from components.model_store.identity import model_identity
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from components.properties import HELD_BACK, LIVE_VERSION, PUSHED_BY, SKIPPED
from trainer_module import provenance
from trainer_module.tfx_internals import (
    PushDestination,
    io_utils,
    model_utils,
    proto_utils,
    pusher_executor,
    standard_component_specs,
    types,
)

_Artifacts = dict[str, list[types.Artifact]]


class Executor(pusher_executor.Executor):
    """Pushes through a `Store`."""

    def Do(  # noqa: N802
        self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]
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
        if obstacle := find_obstacle(input_dict):
            self._skip(pushed_model, obstacle)
            return
        model = self.GetModelPath(input_dict)
        store = _find_store(exec_properties)
        facts = self._collect_facts(Path(model), input_dict)
        push = store.push(Path(model), facts, model_identity(Path(model)))
        logging.info("Version %d, %s: %s", push.version, push.state, push.path)
        if push.state == "held back":
            self._skip(pushed_model, f"rolled back as version {push.version}")
            pushed_model.set_int_custom_property(HELD_BACK, push.version)
            return
        # TFX takes a push from the cache for as long as there is such a copy.
        io_utils.copy_dir(model, pushed_model.uri)
        self._MarkPushed(pushed_model, str(push.path), str(push.version))
        run = facts.run if push.state == "pushed" else ""
        pushed_model.set_string_custom_property(PUSHED_BY, run)
        pushed_model.set_string_custom_property(LIVE_VERSION, str(store.find().number))

    def _skip(self, pushed_model: types.Artifact, why: str) -> None:
        logging.warning("Nothing is pushed: %s", why)
        self._MarkNotPushed(pushed_model)
        pushed_model.set_string_custom_property(SKIPPED, why)

    def _collect_facts(self, model: Path, input_dict: _Artifacts) -> ModelFacts:
        """What is to be remembered of the model: what it says itself, and its figures."""
        [evaluation] = input_dict[standard_component_specs.EVALUATION_KEY]
        made_by = provenance.read(model)
        return ModelFacts(
            run=self._context.pipeline_run_id or "",
            source=made_by.source if made_by else "",
            commit=made_by.commit if made_by else "",
            dataset=made_by.dataset if made_by else "",
            metrics=_overall_figures(evaluation.uri),
        )


def _find_store(exec_properties: dict[str, Any]) -> Store:
    destination = proto_utils.json_to_proto(
        exec_properties[standard_component_specs.PUSH_DESTINATION_KEY],
        PushDestination(),
    )
    config = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
    return Store(Path(destination.filesystem.base_directory), config["server_dir"])


def find_obstacle(input_dict: _Artifacts) -> str | None:
    """Says what keeps a model from being pushed, in a phrase; None where nothing does.

    TFX's Pusher takes a blessing that is not there for one that is not wanted. Here both must
    be there, and say that they are of this very model.

    Args:
        input_dict: `model`, `model_blessing` and `infra_blessing`.
    """
    [model] = input_dict[standard_component_specs.MODEL_KEY]
    for key, refused, node in (
        (standard_component_specs.MODEL_BLESSING_KEY, "not blessed", "the Evaluator"),
        (standard_component_specs.INFRA_BLESSING_KEY, "not sound to serve", "ServingCheck"),
    ):
        found = input_dict.get(key)
        if not found:
            return f"no verdict of {node}"
        [blessing] = found
        # Both kinds of blessing say so by the same property.
        if not model_utils.is_model_blessed(blessing):
            return refused
        if not blessings.is_of(blessing, model):
            return f"the verdict of {node} is not of this model"
    return None


def _overall_figures(directory: str) -> dict[str, float]:
    """The candidate's figures on the whole split, by name."""
    return read_evaluation(directory).overall.model_dump(exclude={"intervals"}, exclude_none=True)
