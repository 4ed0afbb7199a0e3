"""The serving check's verdict, and where it is kept. Free of TensorFlow."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPORT_FILE = "report.json"
"""In the directory of a blessing."""


@dataclass(frozen=True)
class Findings:
    """The verdict.

    Attributes:
        reasons: a phrase for each thing that is wrong with the model; none if it is sound.
        measures: `size_mb`, `load_s`, `median_ms_1`, `p99_ms_1`, `median_ms_64`, `p99_ms_64`,
            `memory_mb`, and `difference` to the expected probabilities; as far as it got.
    """

    reasons: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Returns the report as a JSON object with both attributes."""
        return json.dumps(asdict(self), indent=1)


def read_report(directory: Path, *, blessed: bool) -> Findings:
    """Reads the report out of the directory of a blessing.

    Args:
        directory: the blessing's.
        blessed: what the blessing says, all that is known of one that is TFX's own.

    Returns:
        The report; made up where it was TFX's InfraValidator, which writes none.
    """
    file = directory / REPORT_FILE
    if file.exists():
        return Findings(**json.loads(file.read_text(encoding="utf-8")))
    return Findings([] if blessed else ["TFX's InfraValidator refused it: see the log"])
