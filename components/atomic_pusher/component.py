"""TFX's Pusher, with an executor that pushes whole versions only."""

from components.atomic_pusher.executor import Executor
from trainer_module.tfx_internals import (
    PushDestination,
    Pusher,
    component_spec,
    executor_spec,
    json_utils,
    standard_artifacts,
    standard_component_specs,
    types,
)


class AtomicPusherSpec(standard_component_specs.PusherSpec):
    """The Pusher's, and the evaluation, whose figures go into the manifest."""

    INPUTS = {  # noqa: RUF012
        **standard_component_specs.PusherSpec.INPUTS,
        standard_component_specs.EVALUATION_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation, optional=True
        ),
    }


class AtomicPusher(Pusher):
    """Pushes a blessed model as the next version of a serving directory.

    The output is the Pusher's: a `PushedModel` with `pushed`, `pushed_destination` and
    `pushed_version`. A model that is there already is told by the version it has; one that
    was rolled back is not pushed, and `held_back` says as which version. What else it says is
    in `components.properties`.
    """

    SPEC_CLASS = AtomicPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        evaluation: types.BaseChannel,
        base_directory: str,
        server_dir: str | None = None,
    ) -> None:
        """Constructs the component.

        Args:
            model: `Model`, the SavedModel to push.
            model_blessing: `ModelBlessing` of this very model, as it says itself; without it,
                nothing is pushed.
            infra_blessing: `InfraBlessing`, the same.
            evaluation: `ModelEvaluation`, of the same model.
            base_directory: the model's directory in the serving directory, on a local or
                mounted file system.
            server_dir: the serving directory as a model server sees it; as it was told before
                if not given.
        """
        spec = AtomicPusherSpec(
            model=model,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            evaluation=evaluation,
            push_destination=PushDestination(
                filesystem=PushDestination.Filesystem(base_directory=base_directory)
            ),
            custom_config=json_utils.dumps({"server_dir": server_dir}),
            pushed_model=types.Channel(type=standard_artifacts.PushedModel),
        )
        # Past the Pusher's own constructor, which knows no spec but its own.
        super(Pusher, self).__init__(spec=spec)
