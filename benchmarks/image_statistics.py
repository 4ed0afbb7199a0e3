"""Times the image statistics against TFX's StatisticsGen on the same examples.

    python -m benchmarks.image_statistics --root output

Takes the examples of the newest run in that root. The sides take turns, each in a process of its
own that was warmed up on `eval`. Prints medians of the seconds that a side takes and that it
computes, and the memory that it held before and at most. Then the image statistics have the
examples ten times over, so that each image is repeated.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.input_path import newest
from components.image_statistics.executor import Executor
from pipeline.config import Config
from pipeline.engine.beam.arguments import make_arguments
from trainer_module.tfx_internals import (
    artifact_utils,
    base_beam_executor,
    standard_artifacts,
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
    compare("once", examples, [_TFX, _OURS], arguments.rounds)
    with tempfile.TemporaryDirectory() as directory:
        copy(examples, Path(directory), arguments.copies)
        compare(f"{arguments.copies} times", Path(directory), [_OURS], arguments.rounds)


def compare(name: str, examples: Path, sides: list[str], rounds: int) -> None:
    """Measures the sides in turn, and prints a line for each, with the ratio to the first."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, measured in found.items():
            measured.append(_measure_apart(side, examples))
    reference = statistics.median(one["computing"] for one in found[sides[0]])
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


def _run(side: str, place: Path, splits: Sequence[str]) -> None:
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
            beam_pipeline_args=make_arguments(Config()), tmp_dir=directory, unique_id="1"
        )
        kind(context).Do({"examples": [examples]}, outputs, {})


def copy(examples: Path, directory: Path, copies: int) -> None:
    """Names each file so many times in another directory."""
    for file in sorted(examples.glob("Split-*/*")):
        target = directory / file.parent.name
        target.mkdir(exist_ok=True)
        for number in range(copies):
            (target / f"{number}-{file.name}").symlink_to(file.resolve())


if __name__ == "__main__":
    main()
