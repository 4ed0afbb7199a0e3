"""Judges what was found about the data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components import image_measures
from components.data_gate.anomalies import Anomaly, read_anomalies, read_differences
from components.data_gate.findings import Finding, Picture, Severity
from components.image_statistics import findings as image_findings
from components.image_statistics.description import describe
from components.image_statistics.labels import CLASS_SHARE
from components.split_files import read_datasets
from trainer_module import features

DEFAULT = "default"
"""In `Bounds.severities`, what holds for kinds that are not named."""

THE_SPAN_BEFORE = "the span before's"


@dataclass(frozen=True)
class Bounds:
    """How strict to be.

    Attributes:
        severities: by kind, or `DEFAULT`.
        max_leaked: the largest fraction of a split whose images may be in another one too.
        max_conflicting: the largest fraction of a split whose images may have other labels
            elsewhere.
    """

    severities: Mapping[str, Severity]
    max_leaked: float
    max_conflicting: float

    def severity(self, kind: str) -> Severity:
        """What a kind of finding does to the run."""
        return self.severities.get(kind, self.severities[DEFAULT])


@dataclass(frozen=True)
class Shown:
    """Images of a split that are meant.

    Attributes:
        pictures: a few of them.
        count: how many there are.
        examples: how many images the split has.
    """

    pictures: Sequence[Picture]
    count: int
    examples: int


Show = Callable[[str, Anomaly | None], Shown]
"""Takes a split, and the measure that is out of bounds in it; None if all its images are meant."""


def judge(directories: Mapping[str, Path], bounds: Bounds, show: Show) -> list[Finding]:
    """Judges all that was found.

    Args:
        directories: of the artifacts, by the names that `DataGate` gives its inputs.
        bounds: how strict to be.
        show: fetches pictures, where something was found that they can show.

    Returns:
        What stops the run first, then what is only warned of; what is ignored is not there.
    """
    found = [*_judge_anomalies(directories, bounds, show), *_judge_images(directories, bounds)]
    kept = [one for one in found if one.severity != "ignore"]
    return sorted(kept, key=lambda one: one.severity != "stop")


def _judge_anomalies(
    directories: Mapping[str, Path], bounds: Bounds, show: Show
) -> Iterator[Finding]:
    anomalies = [
        *read_anomalies(directories["anomalies"]),
        *read_anomalies(directories["image_anomalies"]),
        *read_differences(directories["skew"], "skew"),
    ]
    if "drift" in directories:
        anomalies += read_differences(directories["drift"], "drift", THE_SPAN_BEFORE)
    for one in anomalies:
        severity = bounds.severity(one.kind)
        found, pictures = (one.found, ()) if severity == "ignore" else _show(one, show)
        if one.feature == CLASS_SHARE:
            found += _name_classes(one, directories["image_statistics"])
        feature = "share of a class" if one.feature == CLASS_SHARE else one.feature or "examples"
        yield Finding(one.kind, severity, feature, one.split, found, pictures)


def _show(anomaly: Anomaly, show: Show) -> tuple[str, Sequence[Picture]]:
    """What was found, with pictures of what is out of bounds or of a split that differs."""
    if anomaly.kind in ("skew", "drift"):
        return anomaly.found, show(anomaly.split, None).pictures
    if anomaly.bound is not None and anomaly.feature in image_measures.UNITS:
        shown = show(anomaly.split, anomaly)
        return f"{anomaly.found}: {_describe_share(shown)}", shown.pictures
    return anomaly.found, ()


def _name_classes(anomaly: Anomaly, statistics: Path) -> str:
    """The classes whose share is out of bounds, with how many images each has."""
    description = describe(read_datasets(statistics)[anomaly.split])
    bound = anomaly.bound
    if bound is None:
        return ""
    counts = [
        f"{name} has {description.classes[name]:,}"
        for name, share in description.shares.items()
        if (share > bound if anomaly.too_high else share < bound)
    ]
    return f": of {description.examples:,} images, {', '.join(counts)}"


def _describe_share(shown: Shown) -> str:
    """Says how many images of a split are meant."""
    share = 100 * shown.count / shown.examples
    return f"{shown.count:,} of {shown.examples:,} images ({share:.2f} %) are out of bounds"


def _judge_images(directories: Mapping[str, Path], bounds: Bounds) -> Iterator[Finding]:
    allowed = {
        image_findings.LEAK: bounds.max_leaked,
        image_findings.CONFLICT: bounds.max_conflicting,
    }
    for one in image_findings.read_findings(directories["image_findings"]):
        bound = allowed.get(one.kind)
        if bound is not None and one.fraction <= bound:
            continue
        limit = "" if bound is None else f", and at most {100 * bound:.2f} % may"
        feature = features.LABEL if one.kind == image_findings.CONFLICT else features.IMAGE
        severity = bounds.severity(one.kind)
        found = one.describe() + limit
        yield Finding(one.kind, severity, feature, one.split, found, _take_samples(one))


def _take_samples(finding: image_findings.Finding) -> list[Picture]:
    return [Picture(one.png, _caption(one, finding.other)) for one in finding.samples if one.png]


def _caption(sample: image_findings.Sample, other: str | None) -> str:
    caption = " and ".join(sample.classes)
    if other and sample.other_classes:
        caption += f", in {other} {' and '.join(sample.other_classes)}"
    return caption
