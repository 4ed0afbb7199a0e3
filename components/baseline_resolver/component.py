"""The baseline resolver, as a node of the graph."""

from components.baseline_resolver.strategy import CANDIDATE, BaselineModelStrategy
from trainer_module.tfx_internals import Resolver, standard_artifacts, types


def create_baseline_resolver(candidate: types.BaseChannel, serving_model_dir: str) -> Resolver:
    """Constructs TFX's resolver with a strategy of our own.

    Args:
        candidate: `Model`, the one that is about to be evaluated.
        serving_model_dir: where its versions go, one of which may be live.

    Returns:
        A node that puts out `model`, the one in service as `BaselineModelStrategy` says, or none.
    """
    return Resolver(
        strategy_class=BaselineModelStrategy,
        config={"serving_model_dir": serving_model_dir},
        model=types.Channel(type=standard_artifacts.Model),
        model_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        **{CANDIDATE: candidate},
    )
