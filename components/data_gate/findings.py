"""What the data gate found, as data. Free of TensorFlow."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FINDINGS_FILE = "findings.json"
"""In the directory of a `DataBlessing`."""

Severity = Literal["stop", "warn", "ignore"]

ADVICE: Mapping[str, str] = {
    "missing": "write it into every example",
    "type": "write it in the type that the schema says",
    "valency": "write as many values an example as the schema says",
    "domain": "mend those examples, or the schema if it is wrong",
    "few_examples": "add examples",
    "class_balance": "see whether a class was lost or labelled as another",
    "undecodable": "write those images anew",
    "blank": "leave those images out",
    "leak": "leave them out of one of the two splits",
    "conflict": "correct the labels of those images",
    "repeat": "leave the copies out",
    "skew": "see whether the splits were drawn from the same images",
    "drift": "see what changed where the images come from",
    "not_compared": "see whether the feature has values in both",
    "new_feature": "add it to the schema, or leave it out",
    "other": "mend the data, or the schema if it is wrong",
}
"""Each kind of finding, and what a person may do about it, a clause."""


@dataclass(frozen=True)
class Picture:
    """An image that shows what is meant: a PNG in Base64, and the name of its class."""

    png: str
    caption: str


@dataclass(frozen=True)
class Finding:
    """One thing about the data that is not as it should be.

    Attributes:
        kind: of `ADVICE`.
        severity: what it does to the run.
        feature: the feature or measure, as it is called in the statistics.
        split: where it was found; of a comparison, the split that was compared.
        found: what was found, a sentence without its full stop.
        pictures: a few of the images.
    """

    kind: str
    severity: Severity
    feature: str
    split: str
    found: str
    pictures: Sequence[Picture] = ()

    @property
    def sentence(self) -> str:
        """What was found, where, and what to do, without its full stop."""
        return f"{self.feature} in {self.split}: {self.found}; {ADVICE[self.kind]}"


def without_pictures(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the same without their pictures, for where there is no place to show them."""
    return [dataclasses.replace(one, pictures=()) for one in findings]


class DataRefusedError(Exception):
    """The data gate stopped the run; its text has a sentence for each reason.

    Attributes:
        findings: all that was found, warnings too.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Takes all that was found."""
        stops = [one.sentence for one in findings if one.severity == "stop"]
        super().__init__(". ".join(stops))
        self.findings = list(findings)


def write_findings(directory: Path, findings: Sequence[Finding]) -> None:
    """Writes the file of a blessing."""
    rows = [dataclasses.asdict(one) for one in findings]
    (directory / FINDINGS_FILE).write_text(json.dumps(rows, indent=1), encoding="utf-8")


def read_findings(directory: Path) -> list[Finding]:
    """Reads back what `write_findings` wrote."""
    rows = json.loads((directory / FINDINGS_FILE).read_text(encoding="utf-8"))
    return [
        Finding(**{**row, "pictures": tuple(Picture(**one) for one in row["pictures"])})
        for row in rows
    ]
