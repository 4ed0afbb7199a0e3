"""The graph: the only place that wires components.

TFRecords ─ ImportExampleGen ─┬──────────────┬──────────┬───────────┐
                        StatisticsGen        │          │           │
                         │         │         │          │           │
schema.pbtxt        SchemaGen  ExampleValidator │       │           │
 │                 (inferred)      │         │          │           │
ImportSchemaGen ───────────────────┴─ Transform ─── Trainer ─── Evaluator ─ ServingCheck ─ Pusher
                                           │         │  │           │                       │
                                  LearningRateFinder ┘  │           │               serving/tinyvgg/
                                 (peak of the rate)     │           │          Report (on all of it)
                                                 BaselineResolver ──┘
                                 (the model in service)

Not drawn: the Evaluator reads the schema; ServingCheck and Pusher, what the Trainer made.
"""

import json
from collections.abc import Mapping

import schema
from components.atomic_pusher.component import AtomicPusher
from components.baseline_resolver.component import create_baseline_resolver
from components.learning_rate_finder.component import LearningRateFinder
from components.report.component import Report
from components.serving_check.component import create_serving_check
from components.tfx_public import tfx
from pipeline import config, effect, evaluation, nodes, workspace
from pipeline.data.preparation import SPLITS, Prepared
from pipeline.fingerprint import sha256
from pipeline.runs.pages import report_facts


def create_pipeline(
    settings: config.Config, data: Prepared, place: workspace.Workspace, source: Mapping[str, str]
) -> tfx.dsl.Pipeline:
    """Builds the pipeline.

    Args:
        settings: every knob.
        data: the TFRecords.
        place: where artifacts, metadata and served models go.
        source: what each node runs, as `fingerprints` tells it: the cache goes by it too.

    Returns:
        The pipeline, with caching on.
    """
    splits = [tfx.proto.Input.Split(name=name, pattern=data.pattern_of(name)) for name in SPLITS]
    span = {"start_span_number": data.span, "end_span_number": data.span}
    example_gen = tfx.components.ImportExampleGen(
        input_base=str(data.directory),
        input_config=tfx.proto.Input(splits=splits),
        # The one that was checked: TFX would look for the newest again.
        range_config=tfx.proto.RangeConfig(static_range=span) if data.span is not None else None,
    ).with_id(nodes.IMPORT_EXAMPLE_GEN)
    if data.content:
        # The cache knows files by size and second of change: labels that were corrected keep both.
        example_gen.exec_properties["sha256"] = data.content
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples).with_id(nodes.STATISTICS_GEN)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = tfx.components.SchemaGen(statistics=statistics).with_id(nodes.SCHEMA_GEN)
    curated_schema = tfx.components.ImportSchemaGen(schema_file=str(schema.SCHEMA_FILE)).with_id(
        nodes.IMPORT_SCHEMA_GEN
    )
    # TFX knows the file by its path alone: this makes an edited schema be read again.
    curated_schema.exec_properties["sha256"] = sha256(schema.SCHEMA_FILE)
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics, schema=curated_schema.outputs["schema"]
    ).with_id(nodes.EXAMPLE_VALIDATOR)
    transform = tfx.components.Transform(
        examples=examples,
        schema=curated_schema.outputs["schema"],
        preprocessing_fn="trainer_module.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=[]),
        # The Trainer applies the graph itself: floats on disk would cost three times as long.
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
    ).with_id(nodes.TRANSFORM)
    # The data gate belongs between these two: nothing learns from data that was not looked at.
    transform.add_upstream_node(example_validator)
    finder = LearningRateFinder(
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        config=json.dumps(effect.finder_parameters(settings, data)),
    ).with_id(nodes.LEARNING_RATE_FINDER)
    found = settings.learning_rate.source == "finder"
    training = {**effect.trainer_parameters(settings, data), "checkpoints": str(place.checkpoints)}
    trainer = tfx.components.Trainer(
        run_fn="trainer_module.run_fn.run_fn",
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        schema=curated_schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        hyperparameters=finder.outputs["best_hyperparameters"] if found else None,
        custom_config={**training, "source": source[nodes.TRAINER]},
    ).with_id(nodes.TRAINER)
    model, served = trainer.outputs["model"], str(place.serving_model_dir)
    baseline_resolver = create_baseline_resolver(model, served).with_id(nodes.BASELINE_RESOLVER)
    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline_resolver.outputs["model"],
        schema=curated_schema.outputs["schema"],
        example_splits=["test"],
        eval_config=evaluation.build_eval_config(settings.evaluation),
        module_path="components.evaluation.extractors",
    ).with_id(nodes.EVALUATOR)
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
        statistics=statistics,
        anomalies=example_validator.outputs["anomalies"],
        tuner_results=finder.outputs["tuner_results"] if found else None,
        model=model,
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
    ).with_id(nodes.REPORT)
    data_nodes = [example_gen, statistics_gen, schema_gen, curated_schema, example_validator]
    model_nodes = [transform, *([finder] if found else []), trainer, baseline_resolver, evaluator]
    graph = [*data_nodes, *model_nodes, serving_check, pusher, report]
    for component in (one for one in graph if one.id in source):
        component.exec_properties["source"] = source[component.id]
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(place.metadata))
    return tfx.dsl.Pipeline(
        pipeline_name=place.pipeline_name,
        pipeline_root=str(place.artifacts),
        components=graph,
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=settings.beam_args(),
    )
