"""Times the training of each preset's network, by the image, against the default's.

    python -m benchmarks.step

All networks take turns, round by round, in one process, each on one random batch. The medians of
their times are printed, and the medians of the ratios to the default in the same round.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

# As the pipeline's own process has it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf

from benchmarks.experiments import PRESETS
from pipeline.config import Config, load_config
from trainer_module import features, model, training

STEPS = 4


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    presets = {name: load_config(PRESETS / f"{name}.toml") for name in ("original", "wide")}
    settings = {"default": Config(), **presets}
    steps = {name: make_step(one) for name, one in settings.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            times[name].append(clock(step) / settings[name].training.batch_size)
    print(f"{'microseconds an image':24}{'median':>8}{'ratio':>8}")
    for name, values in times.items():
        # Without the first round, in which everything is traced.
        ratios = [a / b for a, b in zip(values[1:], times["default"][1:], strict=True)]
        median = statistics.median(values[1:])
        print(f"{name:24}{median:8.1f}{statistics.median(ratios):8.2f}")


def make_step(settings: Config) -> Callable[[], None]:
    """Returns a function that trains a network of these settings by a step."""
    network = model.build_model(**settings.model.model_dump())
    decay, smoothing = settings.training.weight_decay, settings.training.label_smoothing
    training.compile_network(network, 1e-3, weight_decay=decay, label_smoothing=smoothing)
    size = settings.training.batch_size
    images = tf.random.uniform([size, features.IMAGE_SIZE, features.IMAGE_SIZE, 1])
    labels = tf.random.uniform([size], maxval=features.NUM_CLASSES, dtype=tf.int64)
    return lambda: network.train_on_batch(images, labels)


def clock(step: Callable[[], None]) -> float:
    """Returns the microseconds that a step takes, over a few of them."""
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS * 1e6


if __name__ == "__main__":
    main()
