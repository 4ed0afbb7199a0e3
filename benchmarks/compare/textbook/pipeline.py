"""The textbook pipeline, with the components and defaults of TFX's MNIST example and templates."""

import math
from collections.abc import Mapping
from pathlib import Path

from tensorflow_model_analysis.proto import config_pb2
from tfx import v1 as tfx

from trainer_module import features, served

# As in `config.Beam`: by the name of its local runner, Beam may try to download another one first.
_BEAM_ARGS = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"]


def create_pipeline(
    root: Path, records: Path, splits: Mapping[str, str], training: Mapping[str, int]
) -> tfx.dsl.Pipeline:
    """Builds the pipeline.

    Args:
        root: where everything goes.
        records: the directory of the TFRecords.
        splits: the pattern of the files below it, by split.
        training: `examples` in `train` and in `eval`, `batch_size` and `epochs`.
    """
    inputs = [tfx.proto.Input.Split(name=name, pattern=files) for name, files in splits.items()]
    example_gen = tfx.components.ImportExampleGen(
        input_base=str(records), input_config=tfx.proto.Input(splits=inputs)
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = tfx.components.SchemaGen(statistics=statistics, infer_feature_shape=True)
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(statistics=statistics, schema=schema)
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="benchmarks.compare.textbook.module.preprocessing_fn",
    )
    steps = {name: math.ceil(training[name] / training["batch_size"]) for name in ("train", "eval")}
    trainer = tfx.components.Trainer(
        run_fn="benchmarks.compare.textbook.module.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=tfx.proto.TrainArgs(num_steps=steps["train"]),
        eval_args=tfx.proto.EvalArgs(num_steps=steps["eval"]),
        custom_config={name: training[name] for name in ("batch_size", "epochs")},
    )
    model = trainer.outputs["model"]
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model_resolver")
    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=resolver.outputs["model"],
        example_splits=["test"],
        eval_config=build_eval_config(),
    )
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(root / "serving"))
        ),
    )
    data = [example_gen, statistics_gen, schema_gen, example_validator, transform]
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(root / "metadata.db")
    )
    return tfx.dsl.Pipeline(
        pipeline_name="textbook",
        pipeline_root=str(root / "artifacts"),
        components=[*data, trainer, resolver, evaluator, pusher],
        enable_cache=True,
        metadata_connection_config=metadata,
        beam_pipeline_args=_BEAM_ARGS,
    )


def build_eval_config() -> config_pb2.EvalConfig:
    """What TFMA's guides advise for a classifier, by its own metrics, overall and by class.

    Any model is good enough, so that all that comes after it has its time measured.
    """
    label = features.LABEL
    metrics = {
        name: config_pb2.MetricConfig(class_name=name)
        for name in (
            *("ExampleCount", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"),
            *("MultiClassConfusionMatrixPlot", "Precision", "Recall", "AUC"),
        )
    }
    by_class = [metrics.pop(name) for name in ("Precision", "Recall", "AUC")]
    metrics["SparseCategoricalAccuracy"].threshold.value_threshold.lower_bound.value = 0.0
    classes = config_pb2.RepeatedInt32Value(values=range(features.NUM_CLASSES))
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name=served.SERVING_DEFAULT, label_key=label)],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[label])],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=metrics.values()),
            config_pb2.MetricsSpec(
                binarize=config_pb2.BinarizationOptions(class_ids=classes), metrics=by_class
            ),
        ],
    )
