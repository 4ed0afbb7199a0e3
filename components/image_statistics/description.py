"""Reads back what the image statistics say of a split. Free of TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import statistics_pb2

from components import image_measures
from components.image_statistics.labels import CLASS
from trainer_module import features


@dataclass(frozen=True)
class Measured:
    """How a measure is distributed over the images of a split.

    Attributes:
        mean: of all images that can be decoded.
        edges: [B + 1], rising, of the buckets.
        counts: [B], the images in each.
    """

    mean: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """The part of the images in each bucket, in 0 to 1."""
        total = sum(self.counts)
        return tuple(count / total if total else 0.0 for count in self.counts)


@dataclass(frozen=True)
class Description:
    """What there is in a split.

    Attributes:
        examples: how many.
        classes: how many of each class by name, in the order of the labels, all of them, and then
            what is of none; empty where no example has a label.
        measures: `ink` and `brightness`, without one of which there is no value.
    """

    examples: int
    classes: Mapping[str, int]
    measures: Mapping[str, Measured]

    @property
    def shares(self) -> Mapping[str, float]:
        """The part of the labelled examples that is of each class, in 0 to 1."""
        total = sum(self.classes.values())
        return {name: count / total for name, count in self.classes.items()}


def describe(dataset: statistics_pb2.DatasetFeatureStatistics) -> Description:
    """Takes the statistics of a split, as `ImageStatistics` puts them out, apart."""
    found = {feature.path.step[0]: feature for feature in dataset.features}
    return Description(
        examples=dataset.num_examples,
        classes=_read_classes(found[CLASS].string_stats) if CLASS in found else {},
        measures={
            name: _read_measured(found[name].num_stats)
            for name in image_measures.UNITS
            if name in found
        },
    )


def _read_classes(text: statistics_pb2.StringStatistics) -> dict[str, int]:
    counts = {one.label: round(one.sample_count) for one in text.rank_histogram.buckets}
    strays = sorted(name for name in counts if name not in features.CLASS_NAMES)
    return {name: counts.get(name, 0) for name in (*features.CLASS_NAMES, *strays)}


def _read_measured(numbers: statistics_pb2.NumericStatistics) -> Measured:
    buckets = next(
        one.buckets for one in numbers.histograms if one.type == statistics_pb2.Histogram.STANDARD
    )
    return Measured(
        mean=numbers.mean,
        edges=(*(one.low_value for one in buckets), buckets[-1].high_value),
        counts=tuple(round(one.sample_count) for one in buckets),
    )
