"""The serving check: is the model sound to serve, by the standard `InfraBlessing`?"""

from collections.abc import Mapping
from typing import Any

from components.model_server.image import SERVER_TAG
from components.serving_check.executor import CONFIG_KEY, Executor, InfraValidatorExecutor
from trainer_module import served
from trainer_module.tfx_internals import (
    InfraValidator,
    base_component,
    component_spec,
    executor_spec,
    infra_validator_pb2,
    json_utils,
    standard_artifacts,
    standard_component_specs,
    types,
)


class ServingCheckSpec(component_spec.ComponentSpec):
    """Inputs, output and parameters of the serving check."""

    PARAMETERS = {  # noqa: RUF012
        CONFIG_KEY: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        standard_component_specs.MODEL_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.Model
        ),
        standard_component_specs.EXAMPLES_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.Examples
        ),
        standard_component_specs.MODEL_BLESSING_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        standard_component_specs.BLESSING_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.InfraBlessing
        ),
    }


class ServingCheck(base_component.BaseComponent):
    """Loads and calls a blessed model in a fresh process, and holds it against limits."""

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        model_blessing: types.BaseChannel,
        config: Mapping[str, Any],
    ) -> None:
        """Constructs the component.

        Args:
            model: `Model`, the SavedModel to check.
            examples: `Examples` with a `test` split, of which the first are sent.
            model_blessing: `ModelBlessing`; what is not blessed is not checked.
            config: the limits, `max_…` and `timeout_s`; what else it holds is part of the
                cache key alone.
        """
        super().__init__(
            spec=ServingCheckSpec(
                model=model,
                examples=examples,
                model_blessing=model_blessing,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
                **{CONFIG_KEY: json_utils.dumps(dict(config))},
            )
        )


class NamingInfraValidator(InfraValidator):
    """TFX's InfraValidator, whose blessing says which model it is of, as the Pusher demands."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(InfraValidatorExecutor)


def create_serving_check(
    model: types.BaseChannel,
    examples: types.BaseChannel,
    model_blessing: types.BaseChannel,
    config: Mapping[str, Any],
) -> base_component.BaseComponent:
    """Constructs the serving check that `check` in its configuration chooses.

    Args:
        model: as `ServingCheck` takes it.
        examples: as `ServingCheck` takes them.
        model_blessing: as `ServingCheck` takes it; the InfraValidator looks at any model.
        config: as `ServingCheck` takes it, with `check`: `process`, or `infra_validator` for
            TFX's own, which needs Docker and the image of TensorFlow Serving.

    Returns:
        A component that puts out `blessing`.
    """
    if config["check"] == "process":
        return ServingCheck(model, examples, model_blessing, config)
    return NamingInfraValidator(
        model=model,
        examples=examples,
        serving_spec=infra_validator_pb2.ServingSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServing(tags=[SERVER_TAG]),
            local_docker=infra_validator_pb2.LocalDockerConfig(),
        ),
        request_spec=infra_validator_pb2.RequestSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(
                signature_names=[served.SERVING_DEFAULT]
            ),
            split_name="test",
            num_examples=8,
        ),
        validation_spec=infra_validator_pb2.ValidationSpec(
            max_loading_time_seconds=int(config["max_load_s"]), num_tries=2
        ),
    )
