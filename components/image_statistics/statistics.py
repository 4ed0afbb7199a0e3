"""The statistics of a split as TFDV's message, made of exact counts.

TFDV would estimate quantiles and histograms by sketches, which go by order and shards.
"""

import itertools

import numpy as np
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import image_measures
from components.image_statistics.distributions import Distribution
from components.image_statistics.labels import CLASS, CLASS_SHARE, name_class
from components.image_statistics.tallies import Tally
from trainer_module import features

_EDGES = np.arange(13) / 12
"""The same for all splits, so that histograms can be laid over one another as they are.

With ten of them, noise on the pixels tells less; with 16 or 20, chance tells more in small splits.
"""

_QUANTILES = 10

# As many as TFDV keeps.
_TOP_VALUES = 20
_RANKS = 1000


def build_statistics(tally: Tally) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Builds the statistics of `ink`, `brightness`, `class` and `class_share`.

    Args:
        tally: of the whole split.

    Returns:
        One dataset; without a feature of which there is no value.
    """
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = statistics.datasets.add(num_examples=tally.examples)
    for name, measured in tally.measures.items():
        if measured.total:
            feature = _add(dataset, name, measured.total)
            _describe_numbers(feature, measured, image_measures.UNITS[name])
    labels = tally.labels
    if labels.total:
        _describe_classes(_add(dataset, CLASS, labels.total), labels)
        by_label = dict(zip(labels.values.tolist(), labels.counts.tolist(), strict=True))
        counts = [by_label.get(label, 0) for label in range(features.NUM_CLASSES)]
        share = _add(dataset, CLASS_SHARE, 1, features.NUM_CLASSES)
        _describe_numbers(share, Distribution.of(np.array(counts)), labels.total)
    return statistics


def _add(
    dataset: statistics_pb2.DatasetFeatureStatistics, name: str, present: int, values: int = 1
) -> statistics_pb2.FeatureNameStatistics:
    """Adds a feature that so many examples have, with so many values each."""
    feature = dataset.features.add()
    feature.path.step.append(name)
    text = name == CLASS
    feature.type = (
        statistics_pb2.FeatureNameStatistics.STRING
        if text
        else statistics_pb2.FeatureNameStatistics.FLOAT
    )
    common = (feature.string_stats if text else feature.num_stats).common_stats
    common.num_non_missing = present
    common.num_missing = dataset.num_examples - present
    common.min_num_values = common.max_num_values = values
    common.avg_num_values = values
    common.tot_num_values = present * values
    return feature


def _describe_numbers(
    feature: statistics_pb2.FeatureNameStatistics, counted: Distribution, unit: int
) -> None:
    """Describes fractions that were counted in so many units to a whole."""
    numbers = feature.num_stats
    numbers.mean, numbers.std_dev = counted.mean / unit, counted.deviation / unit
    numbers.num_zeros = int(counted.counts[counted.values == 0].sum())
    numbers.min, numbers.median, numbers.max = counted.quantiles(2) / unit
    fractions = numbers.histograms.add()
    # Fractions, not edges, are scaled: an edge in units would be no whole number.
    heights = Distribution(counted.values / unit, counted.counts).histogram(_EDGES)
    for low, high, height in zip(_EDGES[:-1], _EDGES[1:], heights, strict=True):
        fractions.buckets.add(low_value=low, high_value=high, sample_count=height)
    quantiles = numbers.histograms.add(type=statistics_pb2.Histogram.QUANTILES)
    borders = counted.quantiles(_QUANTILES) / unit
    for low, high in itertools.pairwise(borders):
        quantiles.buckets.add(
            low_value=low, high_value=high, sample_count=counted.total / _QUANTILES
        )


def _describe_classes(feature: statistics_pb2.FeatureNameStatistics, labels: Distribution) -> None:
    text = feature.string_stats
    counts = zip(map(name_class, labels.values.tolist()), labels.counts.tolist(), strict=True)
    ranked = sorted(counts, key=lambda one: (-one[1], one[0]))
    text.unique = len(ranked)
    length = sum(len(name.encode()) * count for name, count in ranked)
    text.avg_length = length / labels.total
    for name, count in ranked[:_TOP_VALUES]:
        text.top_values.add(value=name, frequency=count)
    for rank, (name, count) in enumerate(ranked[:_RANKS]):
        text.rank_histogram.buckets.add(
            low_rank=rank, high_rank=rank, label=name, sample_count=count
        )
