"""The graph: this and `data_nodes`, which has its first half, are where components are wired.

TFRecords ─ ImportExampleGen ─┬─────────────────┬──────────────────┬───────┬─────────┐
                        StatisticsGen     ImageStatistics          │       │         │
                         │        │          │        │            │       │         │
schema.pbtxt      SchemaGen  ExampleValidator│  ImageValidator,    │       │         │
 │               (inferred)       │          │  SkewValidator      │       │         │
ImportSchemaGen                   └─────── DataGate ┘              │       │         │
 │  images.pbtxt, by ImportImageSchema       │ (stops the run)     │       │         │
 └────────────────────────────────────── Transform ────────────── Trainer ─┴── Evaluator ─┐
                                             │                     │  │              │    │
                                    LearningRateFinder ────────────┘  │        ServingCheck
                                     (peak of the rate)        BaselineResolver      │
                                                             (the model in service)  │
                                                Report (on all of it)              Pusher
                                                                                     │
                                                                             serving/tinyvgg/

Not drawn: the validators and the Evaluator read the schemas; ServingCheck and Pusher, what the
Trainer made.
"""

import json
from collections.abc import Mapping, Sequence

from components.atomic_pusher.component import AtomicPusher
from components.baseline_resolver.component import create_baseline_resolver
from components.learning_rate_finder.component import LearningRateFinder
from components.report.component import Report
from components.serving_check.component import create_serving_check
from pipeline import config, effect, evaluation, nodes, workspace
from pipeline.data.preparation import Before, Prepared
from pipeline.data_nodes import create_data_nodes, create_example_gen
from pipeline.runs.pages import report_facts
from pipeline.span_nodes import create_first_evaluation, create_window
from trainer_module import tfx_internals as tfx


def create_pipeline(
    settings: config.Config,
    data: Prepared,
    place: workspace.Workspace,
    source: Mapping[str, str],
    beam_args: Sequence[str],
    *,
    before: Before = Before(),  # noqa: B008 - it is frozen.
) -> tfx.Pipeline:
    """Builds the pipeline.

    Args:
        settings: every knob.
        data: the TFRecords.
        place: where artifacts, metadata and served models go.
        source: what each node runs, as `fingerprints` tells it: the cache goes by it too.
        beam_args: what Beam is told, which the cache does not go by.
        before: what there is of the accepted spans before that of the data.

    Returns:
        The pipeline, with caching on.
    """
    example_gen = create_example_gen(data)
    examples = example_gen.outputs["examples"]
    looked_at = create_data_nodes(settings, examples, drifting=before.statistics)
    curated_schema = looked_at.schema.outputs["schema"]
    window = create_window(settings.dataset, examples, looked_at.gate, data.span)
    learnt = window[0].outputs["examples"] if window else examples
    transform = tfx.Transform(
        examples=learnt,
        schema=curated_schema,
        preprocessing_fn="trainer_module.preprocessing.preprocessing_fn",
        splits_config=tfx.SplitsConfig(analyze=["train"], transform=[]),
        # The Trainer applies the graph itself: floats on disk would cost three times as long.
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
    ).with_id(nodes.TRANSFORM)
    # Nothing learns from data that was not looked at.
    transform.add_upstream_node(looked_at.gate)
    finder = LearningRateFinder(
        examples=learnt,
        transform_graph=transform.outputs["transform_graph"],
        config=json.dumps(effect.finder_parameters(settings, data)),
    ).with_id(nodes.LEARNING_RATE_FINDER)
    found = settings.learning_rate.source == "finder"
    training = {**effect.trainer_parameters(settings, data), "checkpoints": str(place.checkpoints)}
    trainer = tfx.Trainer(
        run_fn="trainer_module.run_fn.run_fn",
        examples=learnt,
        transform_graph=transform.outputs["transform_graph"],
        schema=curated_schema,
        train_args=tfx.TrainArgs(splits=["train"]),
        eval_args=tfx.EvalArgs(splits=["eval"]),
        hyperparameters=finder.outputs["best_hyperparameters"] if found else None,
        custom_config={**training, "source": source[nodes.TRAINER]},
    ).with_id(nodes.TRAINER)
    model, served = trainer.outputs["model"], str(place.serving_model_dir)
    baseline_resolver = create_baseline_resolver(model, served).with_id(nodes.BASELINE_RESOLVER)
    evaluator = tfx.Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline_resolver.outputs["model"],
        schema=curated_schema,
        example_splits=["test"],
        eval_config=evaluation.build_eval_config(settings.evaluation),
        module_path=evaluation.EXTRACTORS,
    ).with_id(nodes.EVALUATOR)
    measured = (settings, examples, model, curated_schema)
    first = create_first_evaluation(*measured) if before.examples else []
    limits = settings.serving.model_dump(mode="json", exclude={"server_dir"})
    serving_check = create_serving_check(
        model, examples, evaluator.outputs["blessing"], config=limits
    ).with_id(nodes.SERVING_CHECK)
    pusher = AtomicPusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        evaluation=evaluator.outputs["evaluation"],
        base_directory=served,
        server_dir=settings.serving.server_dir,
    ).with_id(nodes.PUSHER)
    report = Report(
        report_facts(settings, data, place),
        examples=examples,
        **looked_at.told,
        tuner_results=finder.outputs["tuner_results"] if found else None,
        model=model,
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
    ).with_id(nodes.REPORT)
    model_nodes = [transform, *([finder] if found else []), trainer, baseline_resolver, evaluator]
    data_nodes = [example_gen, *looked_at.all, *window]
    graph = [*data_nodes, *model_nodes, *first, serving_check, pusher, report]
    for component in (one for one in graph if one.id in source):
        component.exec_properties["source"] = source[component.id]
    connection = tfx.metadata.sqlite_metadata_connection_config(str(place.metadata))
    return tfx.Pipeline(
        pipeline_name=place.pipeline_name,
        pipeline_root=str(place.artifacts),
        components=graph,
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=list(beam_args),
    )
