"""The report: one HTML file on all that the run came to."""

import dataclasses

from components.data_gate.component import DataBlessing
from components.report.contents import RunFacts
from components.report.executor import CONFIG_KEY, OUTPUT_KEY, Executor
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
    "statistics": standard_artifacts.ExampleStatistics,
    "image_statistics": standard_artifacts.ExampleStatistics,
    "skew": standard_artifacts.ExampleAnomalies,
    "drift": standard_artifacts.ExampleAnomalies,
    "data_blessing": DataBlessing,
    "tuner_results": standard_artifacts.TunerResults,
    "model": standard_artifacts.Model,
    "model_run": standard_artifacts.ModelRun,
    "evaluation": standard_artifacts.ModelEvaluation,
    "model_blessing": standard_artifacts.ModelBlessing,
    "infra_blessing": standard_artifacts.InfraBlessing,
    "pushed_model": standard_artifacts.PushedModel,
}

_OPTIONAL = ("drift", "tuner_results")


class HtmlReport(types.Artifact):
    """A directory with `report.html`."""

    TYPE_NAME = "HtmlReport"


class ReportSpec(component_spec.ComponentSpec):
    """Inputs, output and parameters of the report."""

    PARAMETERS = {  # noqa: RUF012
        CONFIG_KEY: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        name: component_spec.ChannelParameter(type=kind, optional=name in _OPTIONAL)
        for name, kind in _INPUTS.items()
    }
    OUTPUTS = {  # noqa: RUF012
        OUTPUT_KEY: component_spec.ChannelParameter(type=HtmlReport),
    }


class Report(base_component.BaseComponent):
    """Writes the page of the run that it is the last component of.

    Example:
        Report(facts, model=trainer.outputs["model"], …)
    """

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, facts: RunFacts, **inputs: types.BaseChannel | None) -> None:
        """Constructs the component.

        Args:
            facts: what is known of the run from its start; `run` is filled in when it runs.
            **inputs: `examples` with a `test` split, `statistics`, `image_statistics`, `skew`,
                `data_blessing`, `model`, `model_run`, `evaluation`, `model_blessing`,
                `infra_blessing` and `pushed_model`; `tuner_results` where a finder ran, and
                `drift` where there is a span before.
        """
        given = {name: channel for name, channel in inputs.items() if channel}
        super().__init__(
            spec=ReportSpec(
                **given,
                **{
                    CONFIG_KEY: json_utils.dumps(dataclasses.asdict(facts)),
                    OUTPUT_KEY: types.Channel(type=HtmlReport),
                },
            )
        )
