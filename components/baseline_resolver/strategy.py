"""The latest blessed model that is not the candidate itself."""

import ml_metadata as mlmd
from tfx import v1 as tfx
from tfx.types import artifact

CANDIDATE = "candidate"
"""Input key of the model that is about to be evaluated."""


class BaselineModelStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """TFX's latest blessed model, leaving out the candidate.

    With TFX's own strategy a run that changes nothing finds its own, cached model as the
    latest blessed one, evaluates it against itself and pushes it again. Without the
    candidate the baseline stays what it was, and Evaluator and Pusher come from the cache.

    Takes three channels: `model` and `model_blessing`, every such artifact of the
    pipeline, and `candidate`, the model of this run.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[artifact.Artifact]]
    ) -> dict[str, list[artifact.Artifact]]:
        """Returns the baseline and its blessing, both empty where there is none."""
        candidates = {model.id for model in input_dict[CANDIDATE]}
        earlier = {
            "model": [model for model in input_dict["model"] if model.id not in candidates],
            "model_blessing": list(input_dict["model_blessing"]),
        }
        baseline = super().resolve_artifacts(store, earlier)
        return {**baseline, CANDIDATE: input_dict[CANDIDATE]}
