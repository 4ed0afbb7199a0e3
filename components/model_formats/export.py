"""Writes a pushed version in another format: whole or not at all, in a process of its own.

Free of TensorFlow: only that process loads it.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.model_formats.formats import FORMATS, describe, missing_packages
from components.programs import describe_end, module_program

TOLERANCE = 1e-4
"""How far a probability may be from the version's, in a format that computes with floats.

More than from one loader to another: converters fold batch normalization into convolutions, which
rounds otherwise, and the surer a network is, the more that shows.
"""

LEAST_AGREEMENT = 0.9
"""The share of images that integers must give the same class as the version does."""

_PROGRAM = module_program("components.model_formats")


class FormatError(Exception):
    """A version can't be written in a format, or not there; one sentence that a person can use."""


@dataclass(frozen=True)
class Export:
    """What was written, and how it answers.

    Attributes:
        file: the model; beside it is a description, with the suffix `.json`.
        images: how many it was asked: those recorded in the version, or else one that is made.
        same: how many of them get the class that the version gives them.
        difference: of a probability to the version's, at most.
    """

    file: Path
    images: int
    same: int
    difference: float


def export(
    version: Path, name: str, directory: Path, model: str, facts: Mapping[str, object]
) -> Export:
    """Converts a version, asks the result what is recorded in the version, and compares.

    Args:
        version: the directory of its SavedModel.
        name: of the format, one of `FORMATS`.
        directory: where to write; must not exist.
        model: the model's name, and the files'.
        facts: where it comes from, for the description.

    Raises:
        FormatError: a package is missing, the directory exists or can't be written, the
            conversion failed, or its result answers otherwise than the version.
    """
    if missing := missing_packages(name):
        raise FormatError(
            f"--format {name} needs {', '.join(missing)}: in the checkout, "
            "`python -m pip install -e '.[formats]'` installs what is missing."
        )
    with _aside(directory) as aside:
        file = aside / f"{model}.{FORMATS[name].suffix}"
        report = _convert(version, name, file)
        description = {"model": model, "file": file.name, **facts, **describe(name)}
        file.with_suffix(".json").write_text(json.dumps(description, indent=1) + "\n")
    return Export(directory / file.name, **report)


@contextmanager
def _aside(directory: Path) -> Iterator[Path]:
    """Yields an empty directory beside the one that it becomes once the block ends well."""
    if os.path.lexists(directory):
        raise FormatError(f"{directory} exists: name another directory, or move it away.")
    try:
        # Where parents are missing, above them: they are made only with what they are to hold.
        place = next(parent for parent in directory.parents if parent.exists())
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=place) as temporary:
            aside = Path(temporary, directory.name)
            aside.mkdir()
            yield aside
            directory.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(directory)
    except OSError as error:
        raise FormatError(
            f"{directory} can't be written: {error.strerror or error}; name another directory, or "
            "mend what is in its way."
        ) from error


def _convert(version: Path, name: str, file: Path) -> dict[str, Any]:
    request = {"version": str(version), "module": FORMATS[name].module, "file": str(file)}
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        ended = subprocess.run(
            _PROGRAM,
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
        code = ended.returncode
        fault = f"the converter {describe_end(code, errors)}" if code else ""
    report = {} if fault else json.loads(ended.stdout)
    fault = fault or report.get("error") or _find_fault(name, report)
    if fault:
        raise FormatError(f"{version} can't be exported as {name}: {fault.rstrip('.')}.")
    return report


def _find_fault(name: str, report: Mapping[str, float]) -> str:
    if FORMATS[name].quantised:
        if report["same"] < LEAST_AGREEMENT * report["images"]:
            return (
                f"the result gives {report['same']} of {report['images']} images the class that "
                f"the version gives them, and should {LEAST_AGREEMENT:.0%}"
            )
    elif not report["difference"] <= TOLERANCE:
        return (
            f"the result answers probabilities that differ by {report['difference']:.2g} from the "
            f"version's, and may by {TOLERANCE:.2g}"
        )
    return ""
