"""Bad examples among good ones: left out of one's own TFRecords, and kept where they can be seen.

What is trained on then is a copy of the files, below the run's records: those without a bad
example are linked, the others written without it. Beside them are the bad ones as they were,
`RECORDS_FILE`, and in the same order what each is, `QUARANTINE_FILE`.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

import pydantic

from components.model_store.files import checksums, read_regular, sha256
from pipeline import config
from pipeline.data import checking, framing, records
from pipeline.errors import UserError

QUARANTINE_FILE = "quarantine.jsonl"
"""Beside the records: a line for each example that was set aside."""

RECORDS_FILE = "quarantine.tfrecord"
"""Beside it: these examples."""

_AGAIN = "run this again"

_logger = logging.getLogger(__name__)

# What the copy depends on besides the files: a change of it makes them anew.
_FORMAT = 1


class Entry(pydantic.BaseModel):
    """An example that was set aside, as `checking.BadExample`."""

    model_config = pydantic.ConfigDict(frozen=True)

    split: str
    file: str
    record: int
    reason: str


class Quarantine(pydantic.BaseModel):
    """What the manifest beside the records tells of them.

    Attributes:
        source: the directory of the original files.
        of: how many examples these have, good and bad.
        sha256: of each file, by its path below the directory.
    """

    source: str
    of: int
    sha256: dict[str, str]


def check_allowed(checked: checking.Checked, settings: config.Dataset, way_out: str) -> None:
    """Checks that so many bad examples may be set aside.

    Args:
        checked: names one of the bad ones at least.
        settings: say how many may.
        way_out: what to do about them, a clause.

    Raises:
        UserError: there are some and none may, or more than may.
    """
    if not checked.bad_in_all:
        return
    if settings.bad_examples == "refuse":
        other = 'set dataset.bad_examples to "set_aside", which trains without them'
        raise checking.refuse(checked, way_out, other)
    for split, bad in checked.bad.items():
        of = bad + sum(checked.examples[split].values())
        if bad > settings.max_bad_fraction * of:
            limit = f"dataset.max_bad_fraction = {settings.max_bad_fraction:g}"
            other = f"raise {limit}, of which {split} has {bad / of:.2g}"
            raise checking.refuse(checked, way_out, other)
    if checked.bad_in_all > settings.max_bad_examples:
        other = f"raise dataset.max_bad_examples = {settings.max_bad_examples}"
        raise checking.refuse(checked, way_out, other)


def make_key(directory: Path, checked: checking.Checked) -> str:
    """Names what `write_copy` makes: 8 hexadecimal digits, the same for the same files."""
    made_of = [
        (split, file.relative_to(directory).as_posix(), checked.sha256[file])
        for split, files in checked.splits.items()
        for file in files
    ]
    return hashlib.sha256(json.dumps([_FORMAT, made_of]).encode()).hexdigest()[:8]


def write_copy(directory: Path, checked: checking.Checked, target: Path) -> None:
    """Writes records without the bad ones, where there are none yet, or not all.

    Args:
        directory: of the original files; below it, these are named as the copies.
        checked: names all of the bad ones.
        target: appears with the last step, a rename.

    Raises:
        UserError: it can't be written, or a file changed since it was checked.
    """
    # Not Path.exists, which raises where permissions forbid to look: writing says it better.
    if os.path.exists(target):
        if _is_whole(target):
            return
        _logger.warning("%s is not as it was written: it is prepared again", target)
        records.remove(target)
    with records.appearing(target) as temporary:
        sums = _write_records(directory, checked, temporary)
        entries = [
            Entry(split=one.split, file=str(one.file), record=one.number, reason=one.reason)
            for one in checked.first
        ]
        text = "".join(f"{entry.model_dump_json()}\n" for entry in entries)
        (temporary / QUARANTINE_FILE).write_text(text, encoding="utf-8")
        sums |= {name: sha256(temporary / name) for name in (QUARANTINE_FILE, RECORDS_FILE)}
        manifest = Quarantine(source=str(directory), of=checked.in_all, sha256=sums)
        text = json.dumps({**manifest.model_dump(), "examples": checked.examples}, indent=1)
        (temporary / records.MANIFEST_FILE).write_text(text, encoding="utf-8")


def _is_whole(directory: Path) -> bool:
    try:
        written = _read_manifest(directory).sha256
        found = checksums(directory)
    except (OSError, pydantic.ValidationError):
        return False
    found.pop(records.MANIFEST_FILE)
    return found == written


def _write_records(directory: Path, checked: checking.Checked, target: Path) -> dict[str, str]:
    """Links or writes each file, and returns the SHA-256 of each by its path in the target."""
    bad: dict[Path, set[int]] = {}
    for one in checked.first:
        bad.setdefault(one.file, set()).add(one.number)
    sums = {}
    with framing.new_file(target / RECORDS_FILE) as aside:
        for file, content in checked.sha256.items():
            copy = target / file.relative_to(directory)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if file in bad:
                with framing.new_file(copy) as good:
                    found = _divide(file, bad[file], good, aside)
                if found != content:
                    raise UserError(f"{file} changed while it was read: {_AGAIN}.")
            else:
                _link(file, copy)
            sums[copy.relative_to(target).as_posix()] = sha256(copy) if file in bad else content
    return sums


def _divide(file: Path, bad: set[int], good: framing.Write, aside: framing.Write) -> str:
    """Writes each record to one of two files; returns the SHA-256 of what was read."""
    digest = hashlib.sha256()
    for number, record in enumerate(framing.read_records(file, _AGAIN, digest), 1):
        (aside if number in bad else good)(record)
    return digest.hexdigest()


def _link(file: Path, copy: Path) -> None:
    """Takes no space, where the file system and its owner allow it."""
    try:
        # Of what a link names, which may be relative to where it lies.
        os.link(os.path.realpath(file), copy)
    except OSError:
        shutil.copyfile(file, copy)


def find(parent: Path) -> list[Path]:
    """Finds the directories with records of which some were set aside, by name.

    Args:
        parent: the run's records.
    """
    return sorted(file.parent for file in parent.glob(f"*/{QUARANTINE_FILE}"))


def read(directory: Path) -> tuple[Quarantine, list[Entry]]:
    """Reads what was set aside.

    Args:
        directory: one that `find` found.

    Raises:
        UserError: a file can't be read, or is damaged.
    """
    try:
        manifest = _read_manifest(directory)
        lines = read_regular(directory / QUARANTINE_FILE).splitlines()
        return manifest, [Entry.model_validate_json(line) for line in lines]
    except OSError as error:
        raise UserError(
            f"{error.filename or directory} can't be read: {error.strerror}; mend its permissions, "
            "or name another directory with --root."
        ) from error
    except pydantic.ValidationError as error:
        raise UserError(
            f"{directory} is damaged, {QUARANTINE_FILE} or {records.MANIFEST_FILE} in it is not as "
            "it was written: remove it, and the next run on that data writes it anew."
        ) from error


def _read_manifest(directory: Path) -> Quarantine:
    return Quarantine.model_validate_json(read_regular(directory / records.MANIFEST_FILE))
