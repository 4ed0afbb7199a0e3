"""The data gate: stops the run where the data is not as it should be.

TFX's ExampleValidator and DistributionValidator record what they find, and the run goes on.
"""

from collections.abc import Mapping
from typing import Any

from components.data_gate.executor import BLESSING_KEY, CONFIG_KEY, Executor
from trainer_module.tfx_internals import (
    base_component,
    component_spec,
    executor_spec,
    json_utils,
    standard_artifacts,
    types,
)

_INPUTS = {
    "examples": standard_artifacts.Examples,
    "image_statistics": standard_artifacts.ExampleStatistics,
    "image_findings": standard_artifacts.ExampleAnomalies,
    "anomalies": standard_artifacts.ExampleAnomalies,
    "image_anomalies": standard_artifacts.ExampleAnomalies,
    "skew": standard_artifacts.ExampleAnomalies,
    "drift": standard_artifacts.ExampleAnomalies,
}

_OPTIONAL = ("drift",)


class DataBlessing(types.Artifact):
    """A directory with `findings.json`: what was found in data that was let pass."""

    TYPE_NAME = "DataBlessing"


class DataGateSpec(component_spec.ComponentSpec):
    """Inputs, output and parameters of the data gate."""

    PARAMETERS = {  # noqa: RUF012
        CONFIG_KEY: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        name: component_spec.ChannelParameter(type=kind, optional=name in _OPTIONAL)
        for name, kind in _INPUTS.items()
    }
    OUTPUTS = {  # noqa: RUF012
        BLESSING_KEY: component_spec.ChannelParameter(type=DataBlessing),
    }


class DataGate(base_component.BaseComponent):
    """Judges all that was found about the data; fails, and so stops the run, where it must.

    One that let the data pass is cached; one that failed is asked again.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, config: Mapping[str, Any], **inputs: types.BaseChannel | None) -> None:
        """Constructs the component.

        Args:
            config: `severities`, by kind of finding (see `findings.ADVICE`) or
                `default`, and `max_leaked` and `max_conflicting`, fractions of a split.
            **inputs: `examples`; `anomalies` of ExampleValidator, and `image_anomalies`, the same
                of the image statistics; `image_statistics` and `image_findings` of
                ImageStatistics; `skew`, a DistributionValidator's between the splits, and `drift`,
                the same against the data before, where there is some.
        """
        given = {name: channel for name, channel in inputs.items() if channel}
        super().__init__(
            spec=DataGateSpec(
                **given,
                **{
                    CONFIG_KEY: json_utils.dumps(dict(config)),
                    BLESSING_KEY: types.Channel(type=DataBlessing),
                },
            )
        )
