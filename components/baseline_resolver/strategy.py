"""The model in service, or else the latest blessed one that was not rolled back."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components import listing
from components.model_store.store import Store
from components.properties import FILES
from trainer_module.tfx_internals import (
    LatestBlessedModelStrategy,
    artifact_utils,
    standard_artifacts,
    types,
)

CANDIDATE = "candidate"
"""Input key of the model that is about to be evaluated."""

_LIVE = metadata_store_pb2.Artifact.LIVE

_Artifacts = dict[str, list[types.Artifact]]


class BaselineModelStrategy(LatestBlessedModelStrategy):
    """The blessed model that is live in the serving directory, if it is not the candidate.

    TFX's own strategy takes the latest blessed model. In a run that changes nothing that is
    its own, cached model, which would be evaluated against itself and pushed again; after a
    rollback, and while a version is pinned, it is one that is out of service.

    Where the candidate is live itself, the version before it is taken, which it was compared
    with at first: so Evaluator and Pusher come from the cache. Where no version comes from
    here, it is the latest blessed model that was not rolled back.

    Takes three channels: `model` and `model_blessing`, every such artifact of the
    pipeline, and `candidate`, the model of this run.
    """

    def __init__(self, serving_model_dir: str) -> None:
        """Names the directory of the model's versions; there may be none yet."""
        self._serving_model_dir = serving_model_dir

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: _Artifacts) -> _Artifacts:
        """Returns the baseline and its blessing, both empty where there is none."""
        candidates = {one.id for one in input_dict[CANDIDATE]}
        others = {one.id for one in input_dict["model"]} - candidates
        for eligible in self._by_preference(store, others):
            baseline = self._find_sound(store, input_dict, eligible)
            if baseline["model"]:
                break
        return {**baseline, CANDIDATE: input_dict[CANDIDATE]}

    def _find_sound(
        self, store: mlmd.MetadataStore, input_dict: _Artifacts, eligible: set[int]
    ) -> _Artifacts:
        """The latest blessed model of these ids whose files are as the Trainer left them."""
        models = [model for model in input_dict["model"] if model.id in eligible]
        while True:
            blessings = list(input_dict["model_blessing"])
            found = super().resolve_artifacts(store, {"model": models, "model_blessing": blessings})
            # Only of the one that is taken, as there may be many.
            lost = [model for model in found["model"] if _find_fault(model)]
            if not lost:
                return found
            models = [model for model in models if model not in lost]

    def _by_preference(self, store: mlmd.MetadataStore, models: set[int]) -> list[set[int]]:
        """The ids of the models of the live version, of each one before it, and of the rest."""
        directory = Path(self._serving_model_dir)
        pushed = _pushed_models(store)
        versions = Store(directory).versions()
        live = next((version.number for version in versions if version.live), 0)
        serving, withdrawn = [], set()
        for version in versions:
            known = models & pushed[str(directory / str(version.number))]
            if not version.visible:
                withdrawn |= known
            # What is newer than a pinned version waits to be served.
            elif version.number <= live:
                serving.append(known)
        return [*serving, models - withdrawn]


def _find_fault(model: types.Artifact) -> str | None:
    return listing.find_fault(Path(model.uri), model.get_string_custom_property(FILES))


def find_baseline(store: mlmd.MetadataStore, serving_model_dir: Path, candidate: int) -> set[int]:
    """Finds what the resolver would put out now, outside of a run.

    Args:
        store: the books.
        serving_model_dir: where the model's versions go.
        candidate: the id of the model that is compared with it.

    Returns:
        The id of the baseline, or none.
    """
    models, blessings = (
        artifact_utils.deserialize_artifacts(
            store.get_artifact_type(kind.TYPE_NAME),
            [one for one in store.get_artifacts_by_type(kind.TYPE_NAME) if one.state == _LIVE],
        )
        for kind in (standard_artifacts.Model, standard_artifacts.ModelBlessing)
    )
    found = BaselineModelStrategy(str(serving_model_dir)).resolve_artifacts(
        store,
        {
            "model": models,
            "model_blessing": blessings,
            CANDIDATE: [model for model in models if model.id == candidate],
        },
    )
    return {model.id for model in found["model"]}


def _pushed_models(store: mlmd.MetadataStore) -> Mapping[str, set[int]]:
    """The ids of the models that were pushed, by where they were pushed to."""
    places = {
        one.id: one.custom_properties["pushed_destination"].string_value
        for one in store.get_artifacts_by_type("PushedModel")
    }
    pushes = store.get_events_by_artifact_ids(list(places))
    place_of = {event.execution_id: places[event.artifact_id] for event in pushes}
    pushed = defaultdict(set)
    for event in store.get_events_by_execution_ids(list(place_of)):
        if event.type == metadata_store_pb2.Event.INPUT:
            pushed[place_of[event.execution_id]].add(event.artifact_id)
    return pushed
