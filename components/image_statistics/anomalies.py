"""Findings as TFDV's anomalies, beside those of ExampleValidator."""

from collections.abc import Sequence

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.image_statistics.findings import (
    BLANK,
    CONFLICT,
    LEAK,
    REPEAT,
    UNDECODABLE,
    Finding,
)
from trainer_module import features

_SHORT = {
    UNDECODABLE: "Undecodable images",
    BLANK: "Blank images",
    LEAK: "Images of another split",
    CONFLICT: "Conflicting labels",
    REPEAT: "Repeated images",
}


def build_anomalies(findings: Sequence[Finding]) -> anomalies_pb2.Anomalies:
    """Builds the anomalies of a split.

    Args:
        findings: all that concern it.

    Returns:
        One entry for the image and one for the label, each with a reason for each finding; an
        error where there is an image that can't be decoded, and else a warning, since it is
        not judged here.
    """
    anomalies = anomalies_pb2.Anomalies(anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH)
    for feature in (features.IMAGE, features.LABEL):
        of_it = [one for one in findings if _feature(one) == feature]
        if of_it:
            _describe(anomalies.anomaly_info[feature], feature, of_it)
    return anomalies


def _feature(finding: Finding) -> str:
    return features.LABEL if finding.kind == CONFLICT else features.IMAGE


def _describe(info: anomalies_pb2.AnomalyInfo, feature: str, findings: Sequence[Finding]) -> None:
    info.path.step.append(feature)
    damaged = any(one.kind == UNDECODABLE for one in findings)
    info.severity = (
        anomalies_pb2.AnomalyInfo.ERROR if damaged else anomalies_pb2.AnomalyInfo.WARNING
    )
    for one in findings:
        info.reason.add(
            type=anomalies_pb2.AnomalyInfo.CUSTOM_VALIDATION,
            short_description=_SHORT[one.kind],
            description=f"{one.describe()}.",
        )
    # As TFDV does it for several reasons.
    several = len(info.reason) > 1
    info.short_description = "Multiple errors" if several else info.reason[0].short_description
    info.description = " ".join(one.description for one in info.reason)
