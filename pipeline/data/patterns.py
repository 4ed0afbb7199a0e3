"""How one's own TFRecords are named: by `dataset.pattern`, in splits, spans and versions.

TFX finds them by the same pattern when the run has begun. What it would refuse then, or take for
something else, is refused here.
"""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from pipeline.data.preparation import SPLITS
from pipeline.data.shards import find_lost_shard
from pipeline.errors import UserError

_SPLIT = "{SPLIT}"
_DATE = ("YYYY", "MM", "DD")
_PLACEHOLDER = re.compile(r"\{(?P<name>[^{}:]*)(?P<width>:[^{}]*)?\}")
_KNOWN = "{SPLIT}, {SPAN}, {SPAN:n}, {VERSION}, {VERSION:n}, {YYYY}, {MM} and {DD}"

_TOKEN = re.compile(r"(\{[^{}]*\}|\[[^]]*\]|\*|\?)")
"""What in a pattern does not stand for itself."""

_UNALIKE = re.compile(r"\*\*|\[!|\[(?![^]]*\])|[|^$\\]")
"""What TFX, Beam and Python take for different things."""


@dataclass(frozen=True, order=True)
class Edition:
    """A span with its version.

    Attributes:
        age: numbers of both, of which the newest is the largest; a date counts in days.
        pattern: `dataset.pattern` with both filled in, so that `{SPLIT}` is left.
    """

    age: tuple[int, int]
    pattern: str


def check(pattern: str) -> None:
    """Checks that a pattern tells the splits apart, and says the same to all who read it.

    Raises:
        UserError: it does not.
    """
    reason = _find_fault(pattern)
    if reason:
        raise UserError(f"dataset.pattern = {pattern!r} is not allowed: {reason}.")


def _find_fault(pattern: str) -> str | None:
    found = [(match["name"], match["width"]) for match in _PLACEHOLDER.finditer(pattern)]
    names = [name for name, _ in found]
    if "SPLIT" not in names:
        return f"without {_SPLIT}, train, eval and test would be the same files, so put it in"
    if twice := {name for name in names if names.count(name) > 1}:
        return f"{{{min(twice)}}} is in it more than once, so leave one"
    others = [match[0] for match in _PLACEHOLDER.finditer(pattern) if not _is_known(match)]
    if others or "{" in (rest := _PLACEHOLDER.sub("", pattern)) or "}" in rest:
        return f"{others[0] if others else 'a brace'} stands for nothing, what does is {_KNOWN}"
    dates = [name for name in _DATE if name in names]
    if dates and ("SPAN" in names or len(dates) < len(_DATE)):
        return "a span is {SPAN} or all of {YYYY}, {MM} and {DD}, so write one of them"
    if "VERSION" in names and not dates and "SPAN" not in names:
        return "a {VERSION} is one of a span, so put in {SPAN} as well"
    if match := _UNALIKE.search(pattern):
        return f"{match[0]} in it is not understood alike by all that read it, so leave it out"
    return _find_path_fault(pattern)


def _find_path_fault(pattern: str) -> str | None:
    path = PurePath(pattern)
    if path.is_absolute() or ".." in path.parts:
        return "it must stay below the directory with the data, which --data-dir names"
    return None if str(path) == pattern else f"write it as {str(path)!r}"


def _is_known(match: re.Match) -> bool:
    if match["width"] is None:
        return match["name"] in ("SPLIT", "SPAN", "VERSION", *_DATE)
    return match["name"] in ("SPAN", "VERSION") and bool(
        re.fullmatch(":[1-9][0-9]?", match["width"])
    )


def matches_any(directory: Path, pattern: str) -> bool:
    """Whether a directory has a file of any split, of whatever span."""
    return any(any(directory.glob(_to_glob(pattern, split))) for split in SPLITS)


def find_newest(directory: Path, pattern: str) -> dict[str, list[Path]]:
    """Finds the TFRecords of the newest span and its newest version.

    Args:
        directory: where they are.
        pattern: one that `check` lets pass.

    Returns:
        The files of each split, sorted by name.

    Raises:
        UserError: a split is missing, a file has something else for a number, or a shard is
            missing by the names of the others.
        OSError: the directory can't be read.
    """
    found = {split: find_editions(directory, pattern, split) for split in SPLITS}
    editions = sorted({edition for one in found.values() for edition in one})
    if not editions:
        raise UserError(
            f"{directory} has no TFRecords named {pattern}: write some, or set dataset.pattern."
        )
    newest = editions[-1]
    same = [edition.pattern for edition in editions if edition.age == newest.age]
    if len(same) > 1:
        raise UserError(
            f"{directory} has {' and '.join(same)}, which are the same span: remove one of them."
        )
    missing = [split for split in SPLITS if newest not in found[split]]
    if missing:
        raise UserError(_describe_missing(directory, found, newest, missing))
    files = {split: found[split][newest] for split in SPLITS}
    for some in files.values():
        if lost := find_lost_shard(some):
            raise UserError(
                f"{directory} lacks {some[0].with_name(lost).relative_to(directory)}, of which "
                f"the name of {some[0].name} tells: copy or write it anew, or rename the others."
            )
    return files


def _describe_missing(
    directory: Path,
    found: Mapping[str, Mapping[Edition, object]],
    newest: Edition,
    missing: Sequence[str],
) -> str:
    there = " and ".join(split for split in SPLITS if split not in missing)
    wanted = " and ".join(newest.pattern.replace(_SPLIT, split) for split in missing)
    whole = [edition for edition in found["train"] if all(edition in one for one in found.values())]
    older = f"move those out to take {max(whole).pattern}" if whole else "set dataset.pattern"
    return (
        f"{directory} has no {' and no '.join(missing)} split by {newest.pattern}, only {there}: "
        f"write TFRecords named {wanted}, or {older}."
    )


def find_editions(directory: Path, pattern: str, split: str) -> dict[Edition, list[Path]]:
    """Finds a split's files by span and version.

    Returns:
        The files, sorted by name; all of one edition where the pattern has no span.

    Raises:
        UserError: a file has something else where the pattern has a number or a date.
        OSError: the directory can't be read.
    """
    regex = _to_regex(pattern.replace(_SPLIT, split))
    found: dict[Edition, list[Path]] = {}
    for file in sorted(directory.glob(_to_glob(pattern, split))):
        match = regex.fullmatch(file.relative_to(directory).as_posix())
        age = match and _age(match.groupdict())
        if not match or not age:
            raise UserError(
                f"{file} has something else where dataset.pattern = {pattern!r} has a number or a "
                "date: rename it, or move it out of the directory."
            )
        filled = _fill(pattern, match.groupdict())
        found.setdefault(Edition(age, filled), []).append(file)
    return found


def _fill(pattern: str, values: Mapping[str, str]) -> str:
    """Puts values for the placeholders, but for `{SPLIT}`."""
    return _PLACEHOLDER.sub(lambda match: values.get(match["name"], match[0]), pattern)


def _age(values: Mapping[str, str]) -> tuple[int, int] | None:
    """The numbers of span and version, 0 where there is none; None for a day that never was."""
    version = int(values.get("VERSION", 0))
    if "YYYY" not in values:
        return int(values.get("SPAN", 0)), version
    try:
        return datetime.date(*(int(values[name]) for name in _DATE)).toordinal(), version
    except ValueError:
        return None


def _to_glob(pattern: str, split: str) -> str:
    # Two that touch, as {YYYY}{MM}, would be Python's `**`.
    return re.sub(r"\*+", "*", _PLACEHOLDER.sub("*", pattern.replace(_SPLIT, split)))


def _to_regex(named: str) -> re.Pattern:
    return re.compile("".join(_translate(token) for token in _TOKEN.split(named)))


def _translate(token: str) -> str:
    if match := _PLACEHOLDER.fullmatch(token):
        width = {"YYYY": "{4}", "MM": "{2}", "DD": "{2}"}.get(match["name"], "+")
        width = f"{{{match['width'][1:]}}}" if match["width"] else width
        return f"(?P<{match['name']}>[0-9]{width})"
    if token in ("*", "?"):
        return "[^/]*" if token == "*" else "[^/]"
    return token if _TOKEN.fullmatch(token) else re.escape(token)
