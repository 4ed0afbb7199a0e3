"""Times an epoch through the Trainer's input path against the same model on plain arrays.

    python -m benchmarks.input_path --root output

First, what making a batch costs by itself; `--rounds 0` leaves it at that.

Takes the examples and the transform graph of a run in that root. All sides take turns, round
by round, in one process; the medians of their times and of their CPU seconds are printed, and the
ratios to the fastest way there is: batches that were cut once, in memory, in a fixed order. All
train as the Trainer does, but for the last, which is `fit` on arrays in Keras' own layers. Beside
other work only the CPU seconds tell something.
"""

import argparse
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# As the pipeline's own process has it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf
import tensorflow_transform as tft

from pipeline.config import Config
from trainer_module import loading as input_
from trainer_module import model, training
from trainer_module.devices import find_devices
from trainer_module.tfx_internals import artifact_utils, standard_artifacts


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("output"), help="of an earlier run")
    parser.add_argument("--rounds", type=int, default=5, help="of training, 0 for none")
    arguments = parser.parse_args()
    settings = Config()
    records = find_records(arguments.root / "artifacts")
    with tempfile.TemporaryDirectory() as scratch:
        compare(settings, records, Path(scratch), arguments.rounds)


def compare(settings: Config, records: input_.Records, scratch: Path, rounds: int) -> None:
    """Times all sides in turn, and prints a table."""
    batch_size = settings.training.batch_size
    [memory] = input_.load_splits([records], settings.training.memory_mb, scratch)
    if not isinstance(memory, input_.MemorySplit):
        sys.exit("The train split does not fit into training.memory_mb: nothing to compare with.")
    [stream] = input_.load_splits([records], 0, scratch)
    augment = training.make_augment(settings.augmentation.model_dump())
    stock = model.build_model(**settings.model.model_dump())
    devices = find_devices(settings.training.precision)
    network = devices.prepare(stock)
    compile_network = functools.partial(
        training.compile_network, rate=1e-3, weight_decay=0.0, label_smoothing=0.0
    )
    compile_network(stock)
    steps = input_.steps_per_epoch(memory, batch_size)
    most = devices.most_steps_per_execution
    compile_network(network, steps_per_execution=training.largest_divisor(steps, most))
    sides = {
        "batches cut once": cut_once(memory, batch_size),
        "memory": epoch(memory, batch_size),
        "memory, augmented": epoch(memory, batch_size, augment),
        "streamed": epoch(stream, batch_size),
        "streamed, augmented": epoch(stream, batch_size, augment),
    }
    report_cost({name: cost(batches) for name, batches in sides.items()})
    if not rounds:
        return
    arrays = memory.images.numpy(), memory.labels.numpy()
    times: dict[str, list[tuple[float, float]]] = {
        name: [] for name in (*sides, "arrays, by Keras")
    }
    for _ in range(rounds + 1):
        for name, batches in sides.items():
            times[name].append(clock(functools.partial(network.fit, batches, verbose=0)))
        fit_arrays = functools.partial(stock.fit, *arrays, batch_size=batch_size, verbose=0)
        times["arrays, by Keras"].append(clock(fit_arrays))
    report(times)


def epoch(
    split: input_.Split, batch_size: int, augment: input_.Augment | None = None
) -> tf.data.Dataset:
    """One epoch as the Trainer gets it."""
    return input_.training_batches(split, batch_size, seed=0, epochs=1, augment=augment)


def find_records(artifacts: Path) -> input_.Records:
    """Finds the newest train split and transform graph below a run's artifacts."""
    examples = standard_artifacts.Examples()
    examples.uri = str(newest(artifacts / "ImportExampleGen" / "examples"))
    examples.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    graph = newest(artifacts / "Transform" / "transform_graph")
    return input_.Records.from_artifacts([examples], "train", tft.TFTransformOutput(str(graph)))


def newest(directory: Path) -> Path:
    """Returns the subdirectory with the highest number; ends where there is none."""
    if not directory.is_dir():
        sys.exit(f"There is no {directory}: run the pipeline first, or name its --root.")
    return max(directory.iterdir(), key=lambda path: int(path.name))


def cut_once(split: input_.MemorySplit, batch_size: int) -> tf.data.Dataset:
    """Cuts a split into batches that are kept."""
    batches = split.batches(batch_size)
    return batches.cache().with_options(batches.options())


def cost(batches: tf.data.Dataset, rounds: int = 3) -> float:
    """Returns the CPU milliseconds that a batch takes which nobody trains on, in the median."""
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        count = sum(1 for _ in batches)
        times.append((time.process_time() - start) / count * 1e3)
    # Without the first, in which everything is traced.
    return statistics.median(times[1:])


def report_cost(costs: dict[str, float]) -> None:
    """Prints what making batches costs."""
    print(f"{'CPU ms a batch':24}{'median':>8}")
    for name, milliseconds in costs.items():
        print(f"{name:24}{milliseconds:8.2f}", flush=True)


def clock(action: Callable[[], object]) -> tuple[float, float]:
    """Returns the seconds that an action takes, and those of CPU."""
    start, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - start, time.process_time() - cpu


def report(times: dict[str, list[tuple[float, float]]]) -> None:
    """Prints medians and ratios, without the first round, in which everything is traced."""
    medians = {
        name: [statistics.median(column) for column in zip(*rounds[1:], strict=True)]
        for name, rounds in times.items()
    }
    reference = medians["batches cut once"]
    print(f"{'seconds an epoch':24}{'time':>8}{'ratio':>8}{'CPU':>8}{'ratio':>8}")
    for name, (seconds, cpu) in medians.items():
        ratios = seconds / reference[0], cpu / reference[1]
        print(f"{name:24}{seconds:8.2f}{ratios[0]:8.2f}{cpu:8.2f}{ratios[1]:8.2f}")


if __name__ == "__main__":
    main()
