"""Image statistics: what the pixels of the examples tell, in standard artifacts."""

from typing import ClassVar

from components.image_statistics.executor import Executor
from trainer_module.tfx_internals import (
    base_beam_component,
    component_spec,
    executor_spec,
    standard_artifacts,
    standard_component_specs,
    types,
)

_OUTPUTS = {
    standard_component_specs.STATISTICS_KEY: standard_artifacts.ExampleStatistics,
    standard_component_specs.ANOMALIES_KEY: standard_artifacts.ExampleAnomalies,
}


class ImageStatisticsSpec(component_spec.ComponentSpec):
    """Input and outputs of the image statistics."""

    PARAMETERS: ClassVar[dict[str, component_spec.ExecutionParameter]] = {}
    INPUTS = {  # noqa: RUF012
        standard_component_specs.EXAMPLES_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.Examples
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        name: component_spec.ChannelParameter(type=kind) for name, kind in _OUTPUTS.items()
    }


class ImageStatistics(base_beam_component.BaseBeamComponent):
    """Measures the images of each split, and counts leaks, conflicts and damaged ones.

    Example:
        ImageStatistics(examples=example_gen.outputs["examples"])
    """

    SPEC_CLASS = ImageStatisticsSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, examples: types.BaseChannel) -> None:
        """Constructs the component.

        Args:
            examples: `Examples` of raw, labelled images; all splits are looked at.

        It puts out `statistics`, `ExampleStatistics` of `ink`, `brightness`, `class` and
        `class_share`; and `anomalies`, `ExampleAnomalies` with a `findings.json` beside them.
        """
        outputs = {name: types.Channel(type=kind) for name, kind in _OUTPUTS.items()}
        super().__init__(
            spec=ImageStatisticsSpec(**{standard_component_specs.EXAMPLES_KEY: examples}, **outputs)
        )
