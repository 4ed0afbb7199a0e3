"""Times the image statistics against TFX's StatisticsGen on the same examples.

    python -m benchmarks.image_statistics --root output

Takes the examples of the newest run in that root, and then ten copies of them that differ in a
pixel. The sides take turns, each in a process of its own that was warmed up on `eval`. Prints
medians of the seconds that a side takes and that it computes, and the memory that it held before
and at most.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tensorflow as tf
from tfx.v1.types import standard_artifacts

from benchmarks.input_path import newest
from components.image_statistics.executor import Executor
from components.image_statistics.reading import parse, read_serialized
from pipeline.config import Config
from trainer_module import features
from trainer_module.tfx_internals import (
    artifact_utils,
    base_beam_executor,
    statistics_gen_executor,
)

_SPLITS = ("train", "eval", "test")
_OURS, _TFX = "image statistics", "StatisticsGen"
_COLUMNS = {"seconds": "s", "computing": "computing s", "before": "MB before", "peak": "MB at most"}


def main() -> None:
    """Prints a table, or measures one side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("output"), help="of an earlier run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--measure", nargs=2, metavar=("SIDE", "EXAMPLES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        side, place = arguments.measure
        print(json.dumps(measure(side, Path(place))))
        return
    examples = newest(arguments.root / "artifacts" / "ImportExampleGen" / "examples")
    print(f"{'':32}" + "".join(f"{column:>13}" for column in (*_COLUMNS.values(), "ratio")))
    compare("once", examples, arguments.rounds)
    with tempfile.TemporaryDirectory() as directory:
        copy(examples, Path(directory), arguments.copies)
        compare(f"{arguments.copies} times", Path(directory), arguments.rounds)


def compare(name: str, examples: Path, rounds: int) -> None:
    """Measures both sides in turn, and prints a line for each."""
    found: dict[str, list[dict[str, float]]] = {_TFX: [], _OURS: []}
    for _ in range(rounds):
        for side, measured in found.items():
            measured.append(_measure_apart(side, examples))
    reference = statistics.median(one["computing"] for one in found[_TFX])
    for side, measured in found.items():
        figures = {key: statistics.median(one[key] for one in measured) for key in _COLUMNS}
        cells = [*figures.values(), figures["computing"] / reference]
        print(f"{side + ', ' + name:32}" + "".join(f"{cell:13,.2f}" for cell in cells), flush=True)


def _measure_apart(side: str, examples: Path) -> dict[str, float]:
    command = [sys.executable, "-m", __spec__.name, "--measure", side, str(examples)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def measure(side: str, examples: Path) -> dict[str, float]:
    """Runs one side in this process, once on `eval` to warm up, and once on all."""
    _run(side, examples, ["eval"])
    before = _usage()
    start = time.perf_counter()
    _run(side, examples, _SPLITS)
    after = _usage()
    return {
        "seconds": time.perf_counter() - start,
        "computing": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "before": before.ru_maxrss / 1024,
        "peak": after.ru_maxrss / 1024,
    }


def _usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def _run(side: str, place: Path, splits: list[str] | tuple[str, ...]) -> None:
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(place), artifact_utils.encode_split_names(list(splits))
    outputs = {"statistics": [standard_artifacts.ExampleStatistics()]}
    if side == _OURS:
        outputs["anomalies"] = [standard_artifacts.ExampleAnomalies()]
    kind = Executor if side == _OURS else statistics_gen_executor.Executor
    with tempfile.TemporaryDirectory() as directory:
        for key, [artifact] in outputs.items():
            artifact.uri = str(Path(directory, key))
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=Config().beam_args(), tmp_dir=directory, unique_id="1"
        )
        kind(context).Do({"examples": [examples]}, outputs, {})


def copy(examples: Path, directory: Path, copies: int) -> None:
    """Writes copies of examples, each with another value in the first pixel, as many files."""
    for file in sorted(examples.glob("Split-*/*")):
        target = directory / file.parent.name
        target.mkdir(exist_ok=True)
        for number in range(copies):
            options = tf.io.TFRecordOptions("GZIP", compression_level=1)
            with tf.io.TFRecordWriter(str(target / f"{number}-{file.name}"), options) as writer:
                for serialized in read_serialized(str(file)):
                    _write_copies(serialized, number, writer)


def _write_copies(serialized: tf.Tensor, number: int, writer: tf.io.TFRecordWriter) -> None:
    batch = parse(serialized)
    batch.images[:, 0, 0] = 255 - number
    for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
        example = tf.train.Example()
        feature = example.features.feature
        png = tf.io.encode_png(image[..., None]).numpy()
        feature[features.IMAGE].bytes_list.value.append(png)
        feature[features.LABEL].int64_list.value.append(label)
        writer.write(example.SerializeToString())


if __name__ == "__main__":
    main()
