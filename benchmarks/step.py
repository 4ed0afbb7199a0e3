"""Times the training of each preset's network, by the image, in Keras' layers and in our own.

    python -m benchmarks.step

All networks take turns, round by round, in one process, each on one random batch. Printed are the
medians of their times, and of the ratios in the same round: to the same network in Keras' layers,
and to the default's, each as the Trainer trains it.
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
from trainer_module.devices import find_devices

STEPS = 20
"""Those that are taken at a time, without coming back to Python."""

LAYERS = ("keras", "float32", "auto")
"""Keras' own layers, and what the Trainer trains in by its setting of the precision."""


def main() -> None:
    """Prints a table."""
    # That a function is traced for each network.
    tf.get_logger().setLevel("ERROR")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    presets = {name: load_config(PRESETS / f"{name}.toml") for name in ("original", "wide")}
    settings = {"default": Config(), **presets}
    steps = {
        (name, layers): make_steps(one, layers)
        for name, one in settings.items()
        for layers in LAYERS
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    # Without the first round, in which everything is traced.
    for number in range(rounds + 1):
        for (name, layers), take in steps.items():
            taken = clock(take) / settings[name].training.batch_size
            if number:
                times[name, layers].append(taken)
    print(f"auto is {find_devices('auto')}\n")
    head = ("network", "layers", "microseconds an image", "to Keras' layers", "to the default")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for (name, layers), values in times.items():
        ratios = (_ratio(values, times[name, "keras"]), _ratio(values, times["default", layers]))
        print(f"| {name} | {layers} | {statistics.median(values):.1f} | {' | '.join(ratios)} |")


def make_steps(settings: Config, layers: str) -> Callable[[], object]:
    """Returns a function that trains a network of these settings by `STEPS` steps.

    Args:
        settings: their model and training.
        layers: one of `LAYERS`.
    """
    network = model.build_model(**settings.model.model_dump())
    if layers != "keras":
        network = find_devices(layers).prepare(network)
    decay, smoothing = settings.training.weight_decay, settings.training.label_smoothing
    training.compile_network(network, 1e-3, weight_decay=decay, label_smoothing=smoothing)
    size = settings.training.batch_size
    images = tf.random.uniform([size, features.IMAGE_SIZE, features.IMAGE_SIZE, 1])
    labels = tf.random.uniform([size], maxval=features.NUM_CLASSES, dtype=tf.int64)

    @tf.function
    def take() -> None:
        for _ in tf.range(STEPS):
            network.train_step((images, labels))

    network.optimizer.build(network.trainable_variables)
    return take


def clock(take: Callable[[], object]) -> float:
    """Returns the microseconds that a step takes."""
    start = time.perf_counter()
    take()
    return (time.perf_counter() - start) / STEPS * 1e6


def _ratio(values: list[float], others: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(values, others, strict=True)):.2f}"


if __name__ == "__main__":
    main()
