"""Measures how far splits, subsets and shifted copies are apart, as TFDV and TFX compare them.

    python -m benchmarks.drift

Of the class, the L-infinity distance; of ink and brightness, the Jensen–Shannon divergence. Of
what is drawn by chance, the worst for a threshold: the largest of ordinary data, which is to pass,
and the smallest of what was changed, which is to be stopped.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from benchmarks.real_images import read_splits
from components.image_measures import BRIGHTNESS, INK
from components.image_statistics import tallies
from components.image_statistics.labels import CLASS
from components.image_statistics.reading import Batch
from components.image_statistics.statistics import build_statistics
from pipeline.data.idx import LabelledImages
from trainer_module import features

_MEASURES = (CLASS, INK, BRIGHTNESS)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20, help="of each that is drawn by chance")
    arguments = parser.parse_args()
    splits = read_splits()
    show("ordinary: the largest", compare_ordinary(splits, arguments.draws), max)
    show("changed: the smallest", compare_changed(splits, arguments.draws), min)


Pairs = Iterator[tuple[LabelledImages, LabelledImages]]


def show(
    title: str, compared: Iterator[tuple[str, Pairs]], pick: Callable[[list[float]], float]
) -> None:
    """Prints a line for each comparison, with the figure that is picked of its draws."""
    print(f"{title:44}" + "".join(f"{name:>12}" for name in _MEASURES))
    for name, pairs in compared:
        found = [measure(base, new) for base, new in pairs]
        picked = [pick([one[of] for one in found]) for of in _MEASURES]
        print(f"{name:44}" + "".join(f"{value:12.4f}" for value in picked), flush=True)


def compare_ordinary(
    splits: Mapping[str, LabelledImages], draws: int
) -> Iterator[tuple[str, Pairs]]:
    """Names and draws pairs that a threshold should let pass."""
    train, test = splits["train"], splits["test"]
    yield "halves of train", (_halve(train, seed) for seed in range(draws))
    yield "train and eval", iter([(train, splits["eval"])])
    yield "train and test", iter([(train, test)])
    for count in (5000, 2000, 500):
        yield (
            f"train and {count:,} of test",
            ((train, draw(test, count, seed)) for seed in range(draws)),
        )
        yield (
            f"{count:,} of train and {count:,} of test",
            ((draw(train, count, seed), draw(test, count, seed)) for seed in range(draws)),
        )


def compare_changed(
    splits: Mapping[str, LabelledImages], draws: int
) -> Iterator[tuple[str, Pairs]]:
    """Names and draws pairs that a threshold should stop, if it can."""
    train, test = splits["train"], splits["test"]
    for count in (10_000, 2000):
        for name, change in CHANGES.items():
            yield (
                f"train and {count:,} of test, {name}",
                ((train, change(draw(test, count, seed))) for seed in range(draws)),
            )


def draw(split: LabelledImages, count: int, seed: int) -> LabelledImages:
    """Draws so many images, without a care for the classes."""
    return _take(split, np.random.default_rng(seed).permutation(len(split.labels))[:count])


def _halve(split: LabelledImages, seed: int) -> tuple[LabelledImages, LabelledImages]:
    order = np.random.default_rng(seed).permutation(len(split.labels))
    middle = len(order) // 2
    return _take(split, order[:middle]), _take(split, order[middle:])


def _take(split: LabelledImages, chosen: np.ndarray) -> LabelledImages:
    return LabelledImages(split.images[chosen], split.labels[chosen])


def _invert(split: LabelledImages) -> LabelledImages:
    return LabelledImages(255 - split.images, split.labels)


def _dim(factor: float) -> Callable[[LabelledImages], LabelledImages]:
    return lambda split: LabelledImages((split.images * factor).astype(np.uint8), split.labels)


def _shift(split: LabelledImages) -> LabelledImages:
    return LabelledImages(np.roll(split.images, (2, 2), (1, 2)), split.labels)


def _add_noise(split: LabelledImages) -> LabelledImages:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, split.images.shape, np.uint8)
    hit = random.random(split.images.shape) < 0.05
    return LabelledImages(np.where(hit, noise, split.images), split.labels)


def _repeat_class(times: float) -> Callable[[LabelledImages], LabelledImages]:
    """Has the first class so many times as often; whole, a half or not at all."""

    def change(split: LabelledImages) -> LabelledImages:
        first = np.flatnonzero(split.labels == 0)
        kept = np.concatenate([first, first])[: round(len(first) * times)]
        return _take(split, np.concatenate([np.flatnonzero(split.labels), kept]))

    return change


def _turn(split: LabelledImages) -> LabelledImages:
    return LabelledImages(np.rot90(split.images, axes=(1, 2)), split.labels)


def _mislabel(split: LabelledImages) -> LabelledImages:
    random = np.random.default_rng(0)
    wrong = random.random(len(split.labels)) < 0.05
    other = random.integers(0, features.NUM_CLASSES, len(split.labels))
    return LabelledImages(split.images, np.where(wrong, other, split.labels))


CHANGES: Mapping[str, Callable[[LabelledImages], LabelledImages]] = {
    "inverted": _invert,
    "one class missing": _repeat_class(0),
    "one class halved": _repeat_class(0.5),
    "one class doubled": _repeat_class(2),
    "brightness × 0.5": _dim(0.5),
    "brightness × 0.8": _dim(0.8),
    "brightness × 0.9": _dim(0.9),
    "5 % of pixels noise": _add_noise,
    "moved by 2 pixels": _shift,
    "turned by 90°": _turn,
    "5 % of labels wrong": _mislabel,
}


def measure(base: LabelledImages, new: LabelledImages) -> dict[str, float]:
    """Compares two sets as TFX's DistributionValidator does, by measure."""
    schema = schema_pb2.Schema()
    for name in _MEASURES:
        kind = schema_pb2.BYTES if name == CLASS else schema_pb2.FLOAT
        feature = schema.feature.add(name=name, type=kind)
        comparator = feature.drift_comparator
        measured = (
            comparator.infinity_norm if name == CLASS else comparator.jensen_shannon_divergence
        )
        measured.threshold = 0
    anomalies = tfdv.validate_statistics(_count(new), schema, previous_statistics=_count(base))
    return {
        one.path.step[0]: measured.value
        for one in anomalies.drift_skew_info
        for measured in one.drift_measurements
    }


def _count(split: LabelledImages) -> object:
    decoded = np.ones(len(split.labels), bool)
    return build_statistics(
        tallies.count(Batch([], split.labels.astype(np.int64), split.images, decoded))
    )


if __name__ == "__main__":
    main()
