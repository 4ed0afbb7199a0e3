"""The latest blessed model that is not the candidate itself, and was not rolled back."""

from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.types import artifact

from components.atomic_pusher.store import Store

CANDIDATE = "candidate"
"""Input key of the model that is about to be evaluated."""


class BaselineModelStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """TFX's latest blessed model, leaving out the candidate and what was rolled back.

    With TFX's own strategy a run that changes nothing finds its own, cached model as the
    latest blessed one, evaluates it against itself and pushes it again. Without the
    candidate the baseline stays what it was, and Evaluator and Pusher come from the cache.
    And after a rollback, it would compare with the model that was taken out of service.

    Takes three channels: `model` and `model_blessing`, every such artifact of the
    pipeline, and `candidate`, the model of this run.
    """

    def __init__(self, serving_model_dir: str):
        """Names the directory of the model's versions; there may be none yet."""
        self._serving_model_dir = serving_model_dir

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[artifact.Artifact]]
    ) -> dict[str, list[artifact.Artifact]]:
        """Returns the baseline and its blessing, both empty where there is none."""
        left_out = {model.id for model in input_dict[CANDIDATE]} | self._rolled_back(store)
        earlier = {
            "model": [model for model in input_dict["model"] if model.id not in left_out],
            "model_blessing": list(input_dict["model_blessing"]),
        }
        baseline = super().resolve_artifacts(store, earlier)
        return {**baseline, CANDIDATE: input_dict[CANDIDATE]}

    def _rolled_back(self, store: mlmd.MetadataStore) -> set[int]:
        """The ids of the models whose versions are moved aside."""
        directory = Path(self._serving_model_dir)
        aside = {
            str(directory / str(version.number))
            for version in Store(directory).versions()
            if not version.visible
        }
        pushes = [
            one.id
            for one in store.get_artifacts_by_type("PushedModel")
            if one.custom_properties["pushed_destination"].string_value in aside
        ]
        pushers = [event.execution_id for event in store.get_events_by_artifact_ids(pushes)]
        return {
            event.artifact_id
            for event in store.get_events_by_execution_ids(pushers)
            if event.type == metadata_store_pb2.Event.INPUT
        }
