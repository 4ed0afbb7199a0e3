"""How far apart the data of two splits, or of two spans, may be: DistributionValidator's config."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import path_pb2, schema_pb2

from trainer_module.tfx_internals import DistributionValidatorConfig

SKEWED_PAIRS = (("eval", "train"), ("test", "train"))
"""The splits that are compared within the same data, each with what it should be like."""

_CATEGORICAL = ("class",)
"""The measures that are names; the others are numbers."""


def build_comparison(bounds: Mapping[str, float]) -> DistributionValidatorConfig:
    """Builds the configuration.

    Args:
        bounds: the largest distance allowed by measure, an L-infinity distance for names and a
            Jensen–Shannon divergence for numbers; both are in 0 to 1.
    """
    configuration = DistributionValidatorConfig()
    for name, bound in bounds.items():
        feature = configuration.default_slice_config.feature.add()
        feature.path.CopyFrom(path_pb2.Path(step=[name]))
        comparator = schema_pb2.FeatureComparator()
        if name in _CATEGORICAL:
            comparator.infinity_norm.threshold = bound
        else:
            comparator.jensen_shannon_divergence.threshold = bound
        feature.distribution_comparator.CopyFrom(comparator)
    return configuration


def read_bounds(configuration: Mapping[str, Any]) -> dict[str, float]:
    """Reads back what a configuration was built from.

    Args:
        configuration: what `build_comparison` returned, as JSON.
    """
    parsed = json_format.ParseDict(configuration, DistributionValidatorConfig())
    return {
        ".".join(one.path.step): _read_bound(one.distribution_comparator)
        for one in parsed.default_slice_config.feature
    }


def _read_bound(comparator: schema_pb2.FeatureComparator) -> float:
    if comparator.HasField("infinity_norm"):
        return comparator.infinity_norm.threshold
    return comparator.jensen_shannon_divergence.threshold
