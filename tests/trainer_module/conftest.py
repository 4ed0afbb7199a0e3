"""A small data set of ten tellable patterns, and what Transform makes of it, once a session."""

import functools
import io
import random
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer import fn_args_utils
from tfx.components.util import tfxio_utils
from tfx.types import artifact_utils, standard_artifacts

import schema
from pipeline import config
from pipeline.engine.beam.arguments import make_arguments
from trainer_module import (
    features,
    loading,
    ordering,
    preprocessing,
)

DARKEST, BRIGHTEST = 20, 220
"""The range that the pixels of the train split span, not all of a byte's."""

SIZES = {"train": 300, "eval": 60, "empty": 0}


def _draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [count, 28, 28], a bright band whose place tells the label, int64 [count]."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count, dtype=np.int64) % features.NUM_CLASSES)
    images = rng.integers(DARKEST, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        start = 1 + 5 * (label % 5)
        band = np.s_[start : start + 5, :] if label < 5 else np.s_[:, start : start + 5]
        image[band] = rng.integers(180, BRIGHTEST + 1)
    if count:
        images[0, 0, :2] = DARKEST, BRIGHTEST
    return images, labels


def _encode_png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _to_example(png: bytes, label: int | None = None) -> bytes:
    feature = {features.IMAGE: tf.train.Feature(bytes_list=tf.train.BytesList(value=[png]))}
    if label is not None:
        feature[features.LABEL] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString()


@pytest.fixture(scope="session")
def encode_png() -> Callable[[np.ndarray], bytes]:
    return _encode_png


@pytest.fixture(scope="session")
def to_example() -> Callable[..., bytes]:
    """Takes PNG bytes and, if wanted, a label; returns a serialized `tf.Example`."""
    return _to_example


@pytest.fixture(scope="session")
def raw_splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pixels and labels by split, in the order of their hash; the records have another."""
    return {name: _in_order(*_draw(size, seed)) for seed, (name, size) in enumerate(SIZES.items())}


def _in_order(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    packed = [
        ordering.pack(_encode_png(image), int(label))
        for image, label in zip(images, labels, strict=True)
    ]
    order = sorted(range(len(packed)), key=lambda index: ordering.key(packed[index]))
    return images[order], labels[order]


@pytest.fixture(scope="session")
def raw_schema() -> schema_pb2.Schema:
    return text_format.Parse(schema.SCHEMA_FILE.read_text(), schema_pb2.Schema())


@pytest.fixture(scope="session")
def transform(raw_schema) -> Callable[..., list[dict]]:
    """Analyzes rows and writes the transform graph to a directory, as Transform does.

    It takes a preprocessing_fn if it is to be another, and returns the transformed rows, in any
    order.
    """
    return functools.partial(_transform, raw_schema)


def _transform(
    raw_schema: schema_pb2.Schema,
    rows: list[dict],
    directory: Path,
    preprocessing_fn: Callable = preprocessing.preprocessing_fn,
) -> list[dict]:
    metadata = tft.DatasetMetadata(raw_schema)
    options = PipelineOptions(make_arguments(config.Config()))
    transformed_rows = directory / "rows"
    with (
        beam.Pipeline(options=options) as pipeline,
        tft_beam.Context(temp_dir=str(directory / "temp")),
    ):
        raw = (pipeline | beam.Create(rows), metadata)
        (transformed, transformed_metadata), graph = raw | tft_beam.AnalyzeAndTransformDataset(
            preprocessing_fn
        )
        coder = tft.coders.ExampleProtoCoder(transformed_metadata.schema)
        _ = (
            transformed
            | beam.Map(coder.encode)
            | beam.io.WriteToTFRecord(str(transformed_rows), num_shards=1)
        )
        _ = graph | tft_beam.WriteTransformFn(str(directory))
        raw_metadata = directory / tft.TFTransformOutput.RAW_METADATA_DIR
        _ = metadata | tft_beam.WriteMetadata(str(raw_metadata), pipeline)
    spec = tft.TFTransformOutput(str(directory)).transformed_feature_spec()
    records = tf.data.TFRecordDataset([str(file) for file in directory.glob("rows-*")])
    return [tf.io.parse_single_example(record, spec) for record in records]


@pytest.fixture(scope="session")
def transformed(raw_splits, transform, tmp_path_factory) -> tuple[str, list[dict]]:
    """The directory of the transform graph, and the transformed train split."""
    directory = tmp_path_factory.mktemp("transform")
    rows = [
        {features.IMAGE: _encode_png(image), features.LABEL: label}
        for image, label in zip(*raw_splits["train"], strict=True)
    ]
    return str(directory), transform(rows, directory)


@pytest.fixture(scope="session")
def transform_output(transformed) -> tft.TFTransformOutput:
    return tft.TFTransformOutput(transformed[0])


@pytest.fixture(scope="session")
def write_artifact(raw_splits) -> Callable[..., standard_artifacts.Examples]:
    """Writes the raw examples as ImportExampleGen does, shuffled if a seed is given."""
    return functools.partial(_write_artifact, raw_splits)


def _write_artifact(
    raw_splits: dict, directory: Path, shards: int = 1, seed: int | None = None
) -> standard_artifacts.Examples:
    artifact = standard_artifacts.Examples()
    artifact.uri = str(directory)
    artifact.split_names = artifact_utils.encode_split_names(list(SIZES))
    for split, pairs in raw_splits.items():
        examples = [_to_example(_encode_png(one), label) for one, label in zip(*pairs, strict=True)]
        if seed is not None:
            random.Random(seed).shuffle(examples)
        (directory / f"Split-{split}").mkdir()
        for shard in range(shards):
            name = f"Split-{split}/data_tfrecord-{shard:05}-of-{shards:05}.gz"
            with tf.io.TFRecordWriter(str(directory / name), "GZIP") as writer:
                for example in examples[shard::shards]:
                    writer.write(example)
    return artifact


@pytest.fixture(scope="session")
def examples_artifact(write_artifact, tmp_path_factory) -> standard_artifacts.Examples:
    """The raw examples in gzipped TFRecords, as ImportExampleGen puts them out."""
    return write_artifact(tmp_path_factory.mktemp("examples"), seed=0)


@pytest.fixture(scope="session")
def data_accessor(examples_artifact) -> fn_args_utils.DataAccessor:
    """What the Trainer hands to `run_fn`, made as TFX makes it."""
    factory = tfxio_utils.get_tf_dataset_factory_from_artifact([examples_artifact], ["test"])
    return fn_args_utils.DataAccessor(factory, None, None)


@pytest.fixture(scope="session")
def split_files(examples_artifact) -> Callable[[str], list[str]]:
    """Takes a split's name; returns the patterns of its files, as `FnArgs` has them."""
    return lambda split: [f"{examples_artifact.uri}/Split-{split}/*"]


@pytest.fixture(scope="session")
def records(split_files, data_accessor, transform_output) -> dict[str, loading.Records]:
    """Each split as it lies on disk."""
    return {
        name: loading.Records(split_files(name), data_accessor, transform_output) for name in SIZES
    }


@pytest.fixture(scope="session")
def splits(records, tmp_path_factory) -> dict[str, loading.MemorySplit]:
    """The train and the eval split, as loaded for training."""
    names = ("eval", "train")
    scratch = tmp_path_factory.mktemp("scratch")
    loaded = loading.load_splits([records[name] for name in names], 1000, scratch)
    return dict(zip(names, loaded, strict=True))


@pytest.fixture(scope="session")
def model_config() -> dict:
    return {
        "filters": [10, 10],
        "convolutions": 3,
        "padding": "valid",
        "batch_norm": False,
        "dropout": 0.0,
    }


@pytest.fixture(scope="session")
def augmentation_config() -> dict:
    """Nothing is changed: the patterns are told apart by their place."""
    return {"flip": False, "shift": 0, "erase": 0.0, "erase_size": 10}


@pytest.fixture(scope="session")
def training_config() -> dict:
    return {
        "epochs": 3,
        "batch_size": 32,
        "seed": 5,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "patience": None,
        "best_epoch_weights": True,
    }


@pytest.fixture(scope="session")
def learning_rate_config() -> dict:
    return {
        "schedule": "cosine",
        "peak": 0.01,
        "warmup_epochs": 1.0,
        "decay_rate": 0.5,
        "step_epochs": 8,
        "final_fraction": 0.01,
    }
