"""Reads what TFX's components found out about the data."""

from collections.abc import Iterator
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.report.contents import FeatureStatistics

_STATISTICS_FILE = "FeatureStats.pb"
_ORDER = ("train", "eval", "test")


def read_statistics(directory: Path) -> list[FeatureStatistics]:
    """Reads StatisticsGen's output.

    Args:
        directory: of the `ExampleStatistics`.

    Returns:
        A row for each feature of each split.
    """
    return [
        _describe(split, dataset.num_examples, feature)
        for split, dataset in read_datasets(directory).items()
        for feature in dataset.features
    ]


def read_datasets(directory: Path) -> dict[str, statistics_pb2.DatasetFeatureStatistics]:
    """Reads the message of each split from an `ExampleStatistics`."""
    found = {}
    for split, content in _splits(directory, _STATISTICS_FILE):
        [found[split]] = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    return found


def _splits(directory: Path, file: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents by split: the known ones in their order, then all others."""
    found = {path.name.removeprefix("Split-"): path for path in sorted(directory.glob("Split-*"))}
    order = [*(name for name in _ORDER if name in found), *(n for n in found if n not in _ORDER)]
    for name in order:
        yield name, (found[name] / file).read_bytes()


def _describe(
    split: str, examples: int, feature: statistics_pb2.FeatureNameStatistics
) -> FeatureStatistics:
    numbers, text = feature.num_stats, feature.string_stats
    if feature.HasField("num_stats"):
        common = numbers.common_stats
        detail = f"{numbers.min:g} to {numbers.max:g}, mean {numbers.mean:.3g}"
    else:
        common = text.common_stats
        detail = f"{text.unique:,} distinct, {text.avg_length:,.0f} bytes on average"
    return FeatureStatistics(
        split=split,
        feature=feature.name or ".".join(feature.path.step),
        type=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type).lower(),
        examples=examples,
        missing=examples - common.num_non_missing,
        detail=detail,
    )
