"""Runs the learning-rate finder with fewer points: the rates that it finds, over seeds.

    python -m benchmarks.finder --root output

Takes the examples and the transform graph of a run in that root. The smoothing is once as it is
set, and once so much weaker that it reaches as far over the rates as with the default number of
points.
"""

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# As the pipeline's own process has it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

from benchmarks.input_path import find_records
from components.learning_rate_finder.component import measure_curve
from pipeline.config import Config
from trainer_module import learning_rate_finder, loading


@dataclasses.dataclass(frozen=True)
class Found:
    """What range tests of several seeds found.

    Attributes:
        rates: the rate of each seed.
        cpu: seconds of CPU that a test took, in the median.
    """

    rates: Sequence[float]
    cpu: float


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("output"), help="of an earlier run")
    parser.add_argument("--points", type=int, nargs="+", default=[160, 240, 320])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    settings = Config()
    records = find_records(arguments.root / "artifacts")
    with tempfile.TemporaryDirectory() as scratch:
        [split] = loading.load_splits([records], settings.training.memory_mb, Path(scratch))
        print(f"{'points':>8}{'smoothing':>11}{'CPU s':>8}  rate by seed, and mean, highest/lowest")
        for points in arguments.points:
            default = settings.learning_rate_finder
            as_far = default.smoothing ** (default.points / points)
            for smoothing in sorted({default.smoothing, as_far}, reverse=True):
                show(points, smoothing, find(settings, split, points, smoothing, arguments.seeds))


def find(
    settings: Config,
    split: loading.Split,
    points: int,
    smoothing: float,
    seeds: Sequence[int],
) -> Found:
    """Finds the rate with each seed, as the component does it."""
    rates, seconds = [], []
    for seed in seeds:
        began = time.process_time()
        rates.append(find_rate(settings, split, points, smoothing, seed))
        seconds.append(time.process_time() - began)
    return Found(rates, statistics.median(seconds))


def find_rate(
    settings: Config, split: loading.Split, points: int, smoothing: float, seed: int
) -> float:
    """Runs a range test of single batches, and reads its curve."""
    keras.utils.set_random_seed(seed)
    values = settings.model_dump()
    finder = {**values["learning_rate_finder"], "points": points, "smoothing": smoothing}
    asked = {**values["training"], "seed": seed, "finder": finder}
    asked |= {group: values[group] for group in ("model", "augmentation")}
    curve = measure_curve(asked, split)
    return learning_rate_finder.read_curve(curve, rule=finder["rule"]).learning_rate


def show(points: int, smoothing: float, found: Found) -> None:
    """Prints a line."""
    rates = "".join(f"{rate:9.5f}" for rate in found.rates)
    spread = max(found.rates) / min(found.rates)
    mean = statistics.geometric_mean(found.rates)
    print(
        f"{points:8}{smoothing:11.3f}{found.cpu:8.1f}  {rates}{mean:11.5f}{spread:7.2f}", flush=True
    )


if __name__ == "__main__":
    main()
