"""Asks a pushed version all test images through each loader, by each signature that classifies.

    python -m benchmarks.loaders output/serving/tinyvgg/1

All sides take turns, round by round, in one process. Printed are the accuracy, the largest
difference of a probability to the first row's, and the median latency of batches of 1 and of 64,
with its ratio to the first row's.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from components.serving_check.probe.loaders import PythonLoader, ServerLoader
from pipeline import config
from pipeline.data import sources
from pipeline.data.examples import to_example
from pipeline.data.kinds import OriginalSet
from trainer_module import features, served

SIZES = (1, 64)
_BATCH = 1000


Arrays = Mapping[str, np.ndarray]


class Loader(Protocol):
    """A model that was loaded in one way or another."""

    def bind(self, name: str, given: Arrays) -> Callable[[], Arrays]:
        """Prepares a call of a signature."""


Key = tuple[str, str]
"""What a side is told by: the first two columns of its row."""

Side = tuple[Loader, str, str, np.ndarray]
"""Who is asked, by which signature and input, and for what."""


class SessionLoader:
    """A TensorFlow 1 session in Python, as `saved_model_cli run` has it."""

    name = "a session in Python"

    def __init__(self, directory: str) -> None:
        """Loads the SavedModel in a directory."""
        with tf.Graph().as_default():
            self._session = tf.compat.v1.Session()
            meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], directory)
        self._signatures = meta_graph.signature_def

    def bind(self, name: str, given: Arrays) -> Callable[[], Arrays]:
        """Prepares a call of a signature."""
        signature = self._signatures[name]
        outputs = {key: info.name for key, info in signature.outputs.items()}
        feed = {signature.inputs[key].name: value for key, value in given.items()}
        return lambda: self._session.run(outputs, feed)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=Path, help="the directory of a pushed version")
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    images, labels = read_test_images()
    examples = [to_example(*one) for one in zip(images, labels.tolist(), strict=True)]
    given = {
        served.SERVING_DEFAULT: (served.EXAMPLES, np.array(examples, object)),
        served.PREDICT_IMAGES: (served.IMAGES, images),
    }
    loaders = [
        loader(str(arguments.version)) for loader in (PythonLoader, SessionLoader, ServerLoader)
    ]
    sides: dict[Key, Side] = {
        (loader.name, signature): (loader, signature, *given[signature])
        for loader in loaders
        for signature in given
    }
    answers = {name: ask(*side) for name, side in sides.items()}
    times = measure(sides, arguments.rounds)
    print_table(("loader", "signature"), answers, labels, times)


def read_test_images() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, IMAGE_SIZE, IMAGE_SIZE] and labels int64 [N] of the official test set."""
    source = sources.find(config.Dataset(name=features.DATASET.name), lambda *_: None)
    if not isinstance(source, OriginalSet):
        sys.exit(f"The test set is not in {source.origin}: unset ${features.DATASET.variable}.")
    _, test = source.read_original()
    return test.images, test.labels


def ask(loader: Loader, signature: str, key: str, values: np.ndarray) -> Arrays:
    """Calls a signature with all values, in batches."""
    answers = [
        loader.bind(signature, {key: values[start : start + _BATCH]})()
        for start in range(0, len(values), _BATCH)
    ]
    return {output: np.concatenate([one[output] for one in answers]) for output in answers[0]}


def measure(sides: Mapping[Key, Side], rounds: int) -> dict[tuple[Key, int], list[float]]:
    """Times each side with each size of a batch, in seconds, once a round."""
    calls = {
        (name, size): loader.bind(signature, {key: values[:size]})
        for name, (loader, signature, key, values) in sides.items()
        for size in SIZES
    }
    for call in calls.values():
        call()
    times: dict[tuple[Key, int], list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return times


def print_table(
    headings: Key,
    answers: Mapping[Key, Arrays],
    labels: np.ndarray,
    times: Mapping[tuple[Key, int], list[float]],
) -> None:
    """Prints a row for each side, by what it answered and how long it took."""
    print(f"{headings[0]:22}{headings[1]:18}{'accuracy':>9}{'difference':>12}", end="")
    print("".join(f"{f'ms of {size}':>10}{'ratio':>7}" for size in SIZES))
    [first, *_] = answers
    for name, answer in answers.items():
        probabilities = answer[served.PROBABILITIES]
        difference = np.abs(probabilities - answers[first][served.PROBABILITIES]).max()
        accuracy = (probabilities.argmax(axis=1) == labels).mean()
        print(f"{name[0]:22}{name[1]:18}{accuracy:9.4f}{difference:12.1e}", end="")
        for size in SIZES:
            ratio = statistics.median(
                own / other
                for own, other in zip(times[name, size], times[first, size], strict=True)
            )
            print(f"{1000 * statistics.median(times[name, size]):10.2f}{ratio:7.2f}", end="")
        print()


if __name__ == "__main__":
    main()
