"""Writes what was counted and found, once for all splits."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.image_statistics import tallies
from components.image_statistics.anomalies import build_anomalies
from components.image_statistics.duplicates import Candidate, Found, Key
from components.image_statistics.findings import FINDINGS_FILE, KINDS, Finding, Sample, to_json
from components.image_statistics.labels import name_class
from components.image_statistics.pictures import Place, fetch_pictures
from components.image_statistics.statistics import build_statistics
from components.image_statistics.tallies import Tally
from components.split_files import ANOMALIES_FILE, STATISTICS_FILE
from trainer_module.tfx_internals import io_utils


@dataclass(frozen=True)
class Destination:
    """Where it is written.

    Attributes:
        splits: names of the splits, by number.
        statistics: the directory of each split's statistics.
        anomalies: the directory of each split's anomalies.
        findings: the directory of the findings.
    """

    splits: Sequence[str]
    statistics: Sequence[str]
    anomalies: Sequence[str]
    findings: str


def write_all(
    counted: Mapping[int, Tally],
    found: Mapping[Key, Found],
    files: Sequence[str],
    destination: Destination,
) -> None:
    """Writes statistics and anomalies of each split, and the findings.

    Args:
        counted: by the number of a split; without those that have no examples.
        found: in all splits.
        files: of the examples, by number.
        destination: where to.
    """
    whole = {
        number: counted.get(number, tallies.merge([])) for number in range(len(destination.splits))
    }
    findings = _build_findings(whole, found, files, destination.splits)
    for number, split in enumerate(destination.splits):
        statistics = build_statistics(whole[number])
        _write(destination.statistics[number], STATISTICS_FILE, statistics.SerializeToString())
        anomalies = build_anomalies([one for one in findings if one.split == split])
        content = anomalies.SerializeToString(deterministic=True)
        _write(destination.anomalies[number], ANOMALIES_FILE, content)
    _write(destination.findings, FINDINGS_FILE, to_json(findings).encode())


def _write(directory: str, name: str, content: bytes) -> None:
    io_utils.write_bytes_file(f"{directory}/{name}", content)


def _build_findings(
    counted: Mapping[int, Tally],
    found: Mapping[Key, Found],
    files: Sequence[str],
    splits: Sequence[str],
) -> list[Finding]:
    candidates = [candidate for one in found.values() for candidate in one.candidates]
    pictures = fetch_pictures(files, {one.place for one in candidates if one.place})
    return [
        Finding(
            kind=kind,
            split=splits[split],
            other=None if other == split else splits[other],
            count=one.count,
            examples=counted[split].examples,
            samples=tuple(_make_sample(candidate, pictures) for candidate in one.candidates),
        )
        for (kind, split, other), one in sorted(found.items(), key=_order)
    ]


def _order(item: tuple[Key, Found]) -> tuple[int, int, int]:
    kind, split, other = item[0]
    return KINDS.index(kind), split, other


def _make_sample(candidate: Candidate, pictures: Mapping[Place, bytes]) -> Sample:
    png = pictures[candidate.place] if candidate.place else b""
    return Sample(
        digest=candidate.digest.hex(),
        png=base64.b64encode(png).decode(),
        classes=tuple(map(name_class, candidate.labels)),
        other_classes=tuple(map(name_class, candidate.other_labels)),
    )
