"""The nodes that look beyond the newest span, where there are others."""

from components.span_resolvers.component import (
    create_first_span,
    create_previous_statistics,
    create_span_window,
)
from pipeline import comparison, config, evaluation, nodes
from trainer_module.tfx_internals import (
    DistributionValidator,
    Evaluator,
    Resolver,
    base_component,
    types,
)


def create_drift_nodes(
    settings: config.DataGate, examples: types.BaseChannel, measures: types.BaseChannel
) -> list[base_component.BaseComponent]:
    """Makes those that compare the images with those of the span before; the last tells how far.

    Args:
        settings: the largest distances.
        examples: `Examples`, those of this run.
        measures: `ExampleStatistics`, those that ImageStatistics made of them.
    """
    before = create_previous_statistics(examples, nodes.DATA_GATE, nodes.IMAGE_STATISTICS).with_id(
        nodes.DRIFT_BASELINE
    )
    validator = DistributionValidator(
        statistics=measures,
        baseline_statistics=before.outputs["statistics"],
        config=comparison.build_comparison(settings.max_drift),
    ).with_id(nodes.DRIFT_VALIDATOR)
    return [before, validator]


def create_window(
    settings: config.Dataset,
    examples: types.BaseChannel,
    gate: base_component.BaseComponent,
    span: int | None,
) -> list[Resolver]:
    """Makes the one that puts out the examples to learn from, where there may be others.

    Args:
        settings: how many spans there are to be.
        examples: `Examples`, those of this run.
        gate: the data gate, which has the first say.
        span: the number of theirs; None where there are no spans.
    """
    if span is None or settings.window == 1:
        return []
    window = create_span_window(examples, gate.id, settings.window).with_id(nodes.SPAN_WINDOW)
    window.add_upstream_node(gate)
    return [window]


def create_first_evaluation(
    settings: config.Config,
    examples: types.BaseChannel,
    model: types.BaseChannel,
    schema: types.BaseChannel,
) -> list[base_component.BaseComponent]:
    """Makes those that measure the model on the test split of the first span, and judge nothing.

    Args:
        settings: every knob.
        examples: `Examples`, those of this run.
        model: the `Model`.
        schema: the curated `Schema`.
    """
    first = create_first_span(examples, nodes.DATA_GATE).with_id(nodes.FIRST_SPAN)
    evaluator = Evaluator(
        examples=first.outputs["examples"],
        model=model,
        schema=schema,
        example_splits=["test"],
        eval_config=evaluation.build_figures_config(settings.evaluation),
        module_path=evaluation.EXTRACTORS,
    ).with_id(nodes.FIRST_TEST_EVALUATOR)
    return [first, evaluator]
