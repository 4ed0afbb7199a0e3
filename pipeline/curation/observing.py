"""Says as a schema what statistics show of the data, for what SchemaGen does not infer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

_Kind = statistics_pb2.FeatureNameStatistics

_TYPES = {
    _Kind.INT: schema_pb2.INT,
    _Kind.FLOAT: schema_pb2.FLOAT,
    _Kind.STRING: schema_pb2.BYTES,
    _Kind.BYTES: schema_pb2.BYTES,
}

# More are no names, as the bytes of images. SchemaGen goes by as many.
_MAX_NAMES = 100


@dataclass(frozen=True)
class _Part:
    """What a split has of a feature; it is in `present` of all examples."""

    statistics: statistics_pb2.FeatureNameStatistics
    present: float

    @property
    def common(self) -> statistics_pb2.CommonStatistics:
        return getattr(self.statistics, self.statistics.WhichOneof("stats")).common_stats


def observe(statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics]) -> schema_pb2.Schema:
    """Makes the narrowest schema that takes all splits.

    Args:
        statistics: by split.

    Returns:
        The features that there are, with a type, unless the splits differ in it; with the fraction
        of the examples that have it, where they are fewest; with the number of values; with the
        lowest and the highest number, and whether there is one that is none, or the names.
    """
    schema = schema_pb2.Schema()
    parts: dict[str, list[_Part]] = {}
    filled = [dataset for dataset in statistics.values() if dataset.num_examples]
    for dataset in filled:
        for feature in dataset.features:
            part = _Part(feature, 0)
            present = part.common.num_non_missing / dataset.num_examples
            if present:
                name = feature.name or ".".join(feature.path.step)
                parts.setdefault(name, []).append(_Part(feature, present))
    for name, of_splits in parts.items():
        everywhere = len(of_splits) == len(filled)
        fraction = min(part.present for part in of_splits) if everywhere else 0.0
        schema.feature.append(_observe(name, fraction, of_splits))
    return schema


def complete(inferred: schema_pb2.Schema, seen: schema_pb2.Schema) -> schema_pb2.Schema:
    """Adds to an inferred schema what it leaves open.

    Args:
        inferred: it says type and shape.
        seen: what `observe` makes of the same data.
    """
    completed = schema_pb2.Schema()
    completed.CopyFrom(inferred)
    by_name = {feature.name: feature for feature in seen.feature}
    for feature in completed.feature:
        found = by_name.pop(feature.name, None)
        if found is None:
            continue
        feature.presence.CopyFrom(found.presence)
        if not feature.HasField("shape"):
            feature.value_count.CopyFrom(found.value_count)
        if feature.type != found.type:
            feature.type = found.type
        kind = found.WhichOneof("domain_info")
        if kind and feature.WhichOneof("domain_info") is None:
            getattr(feature, kind).CopyFrom(getattr(found, kind))
    completed.feature.extend(by_name.values())
    return completed


def _observe(name: str, fraction: float, parts: Sequence[_Part]) -> schema_pb2.Feature:
    types = {_TYPES.get(part.statistics.type, schema_pb2.TYPE_UNKNOWN) for part in parts}
    feature = schema_pb2.Feature(name=name)
    feature.type = types.pop() if len(types) == 1 else schema_pb2.TYPE_UNKNOWN
    feature.presence.min_fraction, feature.presence.min_count = fraction, 1
    feature.value_count.min = min(part.common.min_num_values for part in parts)
    feature.value_count.max = max(part.common.max_num_values for part in parts)
    if feature.type in (schema_pb2.INT, schema_pb2.FLOAT):
        _observe_numbers(feature, [part.statistics.num_stats for part in parts])
    elif feature.type == schema_pb2.BYTES:
        texts = [part.statistics.string_stats for part in parts]
        if all(text.unique <= _MAX_NAMES for text in texts):
            names = {one.label: None for text in texts for one in text.rank_histogram.buckets}
            feature.string_domain.value.extend(names)
    return feature


def _observe_numbers(
    feature: schema_pb2.Feature, parts: Sequence[statistics_pb2.NumericStatistics]
) -> None:
    low, high = min(part.min for part in parts), max(part.max for part in parts)
    if feature.type == schema_pb2.INT:
        feature.int_domain.min, feature.int_domain.max = int(low), int(high)
        return
    feature.float_domain.min, feature.float_domain.max = low, high
    histograms = [one for part in parts for one in part.histograms]
    feature.float_domain.disallow_nan = not any(one.num_nan for one in histograms)
    feature.float_domain.disallow_inf = math.isfinite(low) and math.isfinite(high)
