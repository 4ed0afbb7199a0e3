"""Examples as ImportExampleGen writes them, and the executor run on them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.v1.types import standard_artifacts

from components.image_statistics.executor import Executor
from components.image_statistics.findings import Finding, read_findings
from pipeline.config import Config
from pipeline.engine.beam.arguments import make_arguments
from trainer_module import features
from trainer_module.tfx_internals import base_beam_executor

SPAN = 7


def draw_image(seed: int) -> np.ndarray:
    """An image of its own, uint8 [28, 28]."""
    random = np.random.default_rng(seed)
    empty = random.integers(1, features.IMAGE_SIZE)
    image = random.integers(1, 256, [features.IMAGE_SIZE] * 2, np.uint8)
    image[:empty] = 0
    return image


def encode(image: np.ndarray) -> bytes:
    """Its PNG."""
    return tf.io.encode_png(image[..., None]).numpy()


def spoil(png: bytes) -> bytes:
    """Breaks the pixels, and leaves the header as it is."""
    return png[:45] + bytes(255 - byte for byte in png[45:])


def make_example(image: np.ndarray | bytes | None, label: int | None) -> bytes:
    """Serializes an example; None leaves a feature out."""
    example = tf.train.Example()
    feature = example.features.feature
    if image is not None:
        png = image if isinstance(image, bytes) else encode(image)
        feature[features.IMAGE].bytes_list.value.append(png)
    if label is not None:
        feature[features.LABEL].int64_list.value.append(label)
    return example.SerializeToString()


def write_file(path: Path, examples: Sequence[bytes]) -> None:
    """Writes gzipped TFRecords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for example in examples:
            writer.write(example)


@dataclass(frozen=True)
class Outputs:
    """What the executor puts out."""

    statistics: standard_artifacts.ExampleStatistics
    anomalies: standard_artifacts.ExampleAnomalies

    @property
    def findings(self) -> list[Finding]:
        return read_findings(Path(self.anomalies.uri))

    @property
    def counts(self) -> dict[tuple[str, str, str | None], int]:
        return {(one.kind, one.split, one.other): one.count for one in self.findings}

    @property
    def files(self) -> dict[str, bytes]:
        """What every file holds."""
        return {
            f"{kind}/{file.relative_to(artifact.uri)}": file.read_bytes()
            for kind, artifact in (("statistics", self.statistics), ("anomalies", self.anomalies))
            for file in sorted(Path(artifact.uri).rglob("*"))
            if file.is_file()
        }


@pytest.fixture
def run(tmp_path) -> Callable[..., Outputs]:
    """Runs the executor: `run(train=[…], test=[…])`, with `shards` files each."""
    numbers = iter(range(100))

    def run(shards: int = 1, **splits: Sequence[bytes]) -> Outputs:
        place = tmp_path / str(next(numbers))
        examples = standard_artifacts.Examples()
        examples.uri, examples.span = str(place / "examples"), SPAN
        examples.split_names = json.dumps([*splits])
        for split, of_it in splits.items():
            for shard in range(shards):
                file = Path(examples.uri, f"Split-{split}", f"data-{shard}.gz")
                write_file(file, of_it[shard::shards])
        outputs = Outputs(
            standard_artifacts.ExampleStatistics(), standard_artifacts.ExampleAnomalies()
        )
        outputs.statistics.uri = str(place / "statistics")
        outputs.anomalies.uri = str(place / "anomalies")
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=make_arguments(Config()), tmp_dir=str(place / "tmp"), unique_id="1"
        )
        Executor(context).Do(
            {"examples": [examples]},
            {"statistics": [outputs.statistics], "anomalies": [outputs.anomalies]},
            {},
        )
        return outputs

    return run
