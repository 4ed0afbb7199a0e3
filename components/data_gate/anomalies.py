"""Reads what TFX's validators found, in the kinds of the data gate. Free of TensorFlow."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.image_statistics.distances import JENSEN_SHANNON, L_INFINITY
from components.image_statistics.labels import CLASS_SHARE
from components.split_files import ANOMALIES_FILE, PAIR, SPLIT, find_splits

_Reason: TypeAlias = anomalies_pb2.AnomalyInfo.Reason
_Type = anomalies_pb2.AnomalyInfo.Type
_Measured = anomalies_pb2.DriftSkewInfo.Measurement

_KINDS = {
    "missing": (
        "SCHEMA_MISSING_COLUMN FEATURE_TYPE_NOT_PRESENT FEATURE_TYPE_NO_VALUES "
        "FEATURE_TYPE_LOW_FRACTION_PRESENT FEATURE_TYPE_LOW_NUMBER_PRESENT"
    ),
    "new_feature": "SCHEMA_NEW_COLUMN",
    "valency": (
        "FEATURE_TYPE_HIGH_NUMBER_VALUES FEATURE_TYPE_LOW_NUMBER_VALUES INVALID_FEATURE_SHAPE "
        "FEATURE_TYPE_UNEXPECTED_REPEATED VALUE_NESTEDNESS_MISMATCH"
    ),
    "domain": (
        "INT_TYPE_BIG_INT INT_TYPE_SMALL_INT FLOAT_TYPE_BIG_FLOAT FLOAT_TYPE_SMALL_FLOAT "
        "FLOAT_TYPE_HAS_NAN FLOAT_TYPE_HAS_INF ENUM_TYPE_UNEXPECTED_STRING_VALUES "
        "ENUM_TYPE_INVALID_UTF8"
    ),
    "type": (
        "UNEXPECTED_DATA_TYPE ENUM_TYPE_BYTES_NOT_STRING ENUM_TYPE_FLOAT_NOT_STRING "
        "ENUM_TYPE_INT_NOT_STRING FLOAT_TYPE_NOT_FLOAT FLOAT_TYPE_STRING_NOT_FLOAT "
        "INT_TYPE_INT_EXPECTED INT_TYPE_NOT_STRING INT_TYPE_STRING_EXPECTED STRING_TYPE_NOW_FLOAT "
        "STRING_TYPE_NOW_INT"
    ),
    "few_examples": "NO_DATA_IN_SPAN DATASET_LOW_NUM_EXAMPLES",
    "not_compared": (
        "STATS_NOT_AVAILABLE COMPARATOR_CONTROL_DATA_MISSING COMPARATOR_TREATMENT_DATA_MISSING"
    ),
    "undecodable": "LOW_SUPPORTED_IMAGE_FRACTION",
}
_KIND_OF = {type_name: kind for kind, names in _KINDS.items() for type_name in names.split()}

_TOO_HIGH = (_Type.FLOAT_TYPE_BIG_FLOAT, _Type.INT_TYPE_BIG_INT)

_DISTANCES = {
    _Type.COMPARATOR_L_INFTY_HIGH: _Measured.L_INFTY,
    _Type.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH: _Measured.JENSEN_SHANNON_DIVERGENCE,
}
_DISTANCE_NAMES = {
    _Measured.L_INFTY: L_INFINITY,
    _Measured.JENSEN_SHANNON_DIVERGENCE: JENSEN_SHANNON,
}
_OUT_OF_RANGE = re.compile(
    r"Unexpectedly (?:low|high) values?: (?P<value>[^<>\s]+)(?P<sign>[<>])(?P<bound>[^<>(\s]+)"
)
_MOST = re.compile(r"maximum difference is: (.+)")


@dataclass(frozen=True)
class Anomaly:
    """What a validator found in a feature of a split.

    Attributes:
        kind: of `findings.ADVICE`.
        feature: as it is called in the statistics; empty for the split as a whole.
        split: where.
        found: a sentence without its full stop.
        too_high: of a number out of its domain, whether it is above it.
        bound: of such a number, what it may be at most or at least; None where that is not known.
    """

    kind: str
    feature: str
    split: str
    found: str
    too_high: bool = False
    bound: float | None = None


def read_anomalies(directory: Path) -> list[Anomaly]:
    """Reads the output of an ExampleValidator, or of what else writes the standard form.

    Args:
        directory: of the `ExampleAnomalies`.
    """
    return [
        Anomaly(
            _find_kind(reason, feature),
            feature,
            split,
            _describe(reason),
            too_high=reason.type in _TOO_HIGH,
            bound=_find_bound(reason),
        )
        for split, found in _read(directory, SPLIT)
        for feature, reason in _reasons(found)
    ]


def read_differences(directory: Path, kind: str, before: str = "") -> list[Anomaly]:
    """Reads the output of a DistributionValidator.

    Args:
        directory: of the `ExampleAnomalies`, which has none where there was nothing to compare
            with.
        kind: `skew` or `drift`, of what differs too much.
        before: whose split it was compared with, a genitive; that of the same data if empty.
    """
    anomalies = []
    for pair, found in _read(directory, PAIR):
        split, _, baseline = pair.partition("_")
        other = f"{before} {baseline}".strip()
        for feature, reason in _reasons(found):
            if reason.type in _DISTANCES:
                text = _describe_distance(found, feature, reason, other)
                anomalies.append(Anomaly(kind, feature, split, text))
            else:
                text = f"it could not be compared with {other}"
                anomalies.append(Anomaly(_find_kind(reason, feature), feature, split, text))
    return anomalies


@dataclass(frozen=True)
class Distance:
    """How far a measure of two splits is apart, and how far it may be.

    Attributes:
        feature: the measure.
        split: the split that was compared.
        baseline: the split that it was compared with.
        name: of the distance.
        value: 0 where they are the same.
        bound: what it may be.
    """

    feature: str
    split: str
    baseline: str
    name: str
    value: float
    bound: float

    @property
    def too_far(self) -> bool:
        """Whether it is more than it may be."""
        return self.value > self.bound


def read_distances(directory: Path) -> list[Distance]:
    """Reads all that a DistributionValidator measured, too far apart or not."""
    return [
        Distance(
            feature=info.path.step[0],
            split=pair.partition("_")[0],
            baseline=pair.partition("_")[2],
            name=_DISTANCE_NAMES[one.type],
            value=one.value,
            bound=one.threshold,
        )
        for pair, found in _read(directory, PAIR)
        for info in found.drift_skew_info
        for one in info.drift_measurements
    ]


def _read(directory: Path, prefix: str) -> Iterator[tuple[str, anomalies_pb2.Anomalies]]:
    for name, place in find_splits(directory, prefix).items():
        content = (place / ANOMALIES_FILE).read_bytes()
        yield name, anomalies_pb2.Anomalies.FromString(content)


def _reasons(found: anomalies_pb2.Anomalies) -> Iterator[tuple[str, _Reason]]:
    for key, info in sorted(found.anomaly_info.items()):
        feature = ".".join(info.path.step) or key
        for reason in info.reason:
            yield feature, reason
    for reason in found.dataset_anomaly_info.reason:
        yield "", reason
    if found.data_missing:
        yield "", _Reason(type=_Type.NO_DATA_IN_SPAN, description="there is no example")


def _find_kind(reason: _Reason, feature: str) -> str:
    kind = _KIND_OF.get(_Type.Name(reason.type), "other")
    return "class_balance" if (kind, feature) == ("domain", CLASS_SHARE) else kind


def _find_bound(reason: _Reason) -> float | None:
    match = _OUT_OF_RANGE.search(reason.description)
    return float(match["bound"]) if match else None


def _describe(reason: _Reason) -> str:
    # TFDV says "(upto six significant digits)" of each number.
    text = re.sub(r"\s*\(up ?to six significant digits\)", "", reason.description)
    if match := _OUT_OF_RANGE.search(text):
        bound = "at least" if match["sign"] == "<" else "at most"
        return f"there is {match['value']}, and {bound} {match['bound']} is allowed"
    return text.strip().rstrip(".") or reason.short_description


def _describe_distance(
    found: anomalies_pb2.Anomalies, feature: str, reason: _Reason, other: str
) -> str:
    wanted = _DISTANCES[reason.type]
    for info in found.drift_skew_info:
        for one in info.drift_measurements:
            if ".".join(info.path.step) == feature and one.type == wanted:
                most = _MOST.search(reason.description)
                return (
                    f"its {_DISTANCE_NAMES[wanted]} to {other} is {one.value:.3g}, and at most "
                    f"{one.threshold:.3g} is allowed" + (f", most for {most[1]}" if most else "")
                )
    return _describe(reason)
