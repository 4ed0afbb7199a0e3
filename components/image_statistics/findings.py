"""What the pixels tell that no schema can bound, and where it is kept. Free of TensorFlow.

It is only counted here: whether it is too much is for the reader to judge.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FINDINGS_FILE = "findings.json"
"""In the directory of the anomalies."""

LEAK = "leak"
"""Images of a split that are in another one too, pixel for pixel."""

CONFLICT = "conflict"
"""Images that have another label elsewhere, in the same split or in another one."""

REPEAT = "repeat"
"""Images that are in the same split once more, each counted but for the first."""

BLANK = "blank"
"""Images that have one value everywhere. They count as nothing else."""

UNDECODABLE = "undecodable"
"""Images that can't be decoded, or have another size. They count as nothing else."""

KINDS = (UNDECODABLE, BLANK, LEAK, CONFLICT, REPEAT)
"""In the order in which they are told."""

SAMPLES = 8
"""At most so many images are shown of each finding."""

_PHRASES = {
    UNDECODABLE: "have an image that can't be decoded",
    BLANK: "have a blank image, of one value everywhere",
    LEAK: "have an image that is in {other} too, pixel for pixel",
    CONFLICT: "have an image that has another label in {other}",
    REPEAT: "repeat an image that is in {split} already",
}


@dataclass(frozen=True)
class Sample:
    """An image that was found.

    Attributes:
        digest: of its pixels, in hex; of its bytes, if it can't be decoded.
        png: base64; empty, if it can't be decoded.
        classes: the names under which it is in the split, in the order of their labels; of a
            label without a class, the number.
        other_classes: the same for the other split; none, if there is no other.
    """

    digest: str
    png: str
    classes: tuple[str, ...]
    other_classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """So many examples of a split are of a kind.

    Attributes:
        kind: one of `KINDS`.
        split: whose examples are counted.
        other: the split that they are compared with; None, if it is the same.
        count: how many of them were found, 1 or more.
        examples: how many the split has.
        samples: up to `SAMPLES` distinct images, those with the lowest digests.
    """

    kind: str
    split: str
    other: str | None
    count: int
    examples: int
    samples: tuple[Sample, ...]

    @property
    def fraction(self) -> float:
        """The part of the split that was found, in 0 to 1."""
        return self.count / self.examples

    def describe(self) -> str:
        """Says it in a sentence."""
        phrase = _PHRASES[self.kind].format(split=self.split, other=self.other or self.split)
        share = f"{self.count:,} of {self.examples:,} examples in {self.split}"
        return f"{share} ({self.fraction * 100:.2f} %) {phrase}"


def to_json(findings: Sequence[Finding]) -> str:
    """Returns the findings as a JSON array of objects with their attributes."""
    return json.dumps([asdict(one) for one in findings], indent=1)


def read_findings(directory: Path) -> list[Finding]:
    """Reads the findings.

    Args:
        directory: of the `ExampleAnomalies` that the component put out.

    Returns:
        They are sorted by kind, as in `KINDS`, and by splits; what was not found is not there.
    """
    found = json.loads((directory / FINDINGS_FILE).read_text(encoding="utf-8"))
    return [Finding(**{**one, "samples": _read_samples(one["samples"])}) for one in found]


def _read_samples(samples: list[dict]) -> tuple[Sample, ...]:
    return tuple(
        Sample(one["digest"], one["png"], tuple(one["classes"]), tuple(one["other_classes"]))
        for one in samples
    )
