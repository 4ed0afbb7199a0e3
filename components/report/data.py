"""Reads what TFX's components found out about the data."""

from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.report.contents import FeatureStatistics
from components.split_files import read_datasets


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
