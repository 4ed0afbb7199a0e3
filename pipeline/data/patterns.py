"""How one's own TFRecords are named: by `dataset.pattern`, in splits, spans and versions.

TFX finds them by the same pattern when the run has begun. What it would refuse then, or take for
something else, is refused here.
"""

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from pipeline.data.preparation import SPLITS
from pipeline.data.shards import find_lost_shard
from pipeline.errors import UserError

_SPLIT = "{SPLIT}"
_DATE = {"YYYY": 4, "MM": 2, "DD": 2}
"""The placeholders of a date, and how many digits each has."""
_PLACEHOLDER = re.compile(r"\{(?P<name>[^{}:]*)(?P<width>:[^{}]*)?\}")
_KNOWN = "{SPLIT}, {SPAN}, {SPAN:n}, {VERSION}, {VERSION:n}, {YYYY}, {MM} and {DD}"

_TOKEN = re.compile(r"(\{[^{}]*\}|\[[^]]*\]|\*|\?)")
"""What in a pattern does not stand for itself."""

_UNALIKE = re.compile(r"\*\*|\[!|\[(?![^]]*\])|[|^$\\]")
"""What TFX, Beam and Python take for different things."""


_NUMBER = r"\{(?:SPAN|VERSION)\}"
_ENDLESS = re.compile(rf"{_NUMBER}(?=[*?[]|{_NUMBER})|(?<=[*?\]]){_NUMBER}")
"""A number that touches what may be a digit as well."""

_LARGEST = 2**31 - 1
"""The largest span that TFX can be asked for."""

_EPOCH = datetime.date(1970, 1, 1).toordinal()
"""The day from which TFX counts the spans that are dates."""


@dataclass(frozen=True, order=True)
class Edition:
    """A span with its version.

    Attributes:
        age: numbers of both as TFX counts them, of which the newest is the largest: a date is
            days since 1970, and what the pattern does not have is 0.
        pattern: `dataset.pattern` with both filled in, so that `{SPLIT}` is left.
        written: both as they are written, by their placeholders.
    """

    age: tuple[int, int]
    pattern: str
    written: Mapping[str, str] = field(compare=False, repr=False)

    @property
    def span(self) -> int:
        """The number of the span."""
        return self.age[0]


_BySplit = Mapping[str, Mapping[Edition, list[Path]]]


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
    if match := _ENDLESS.search(pattern):
        number = match[0].strip("{}")
        return f"where {match[0]} ends nobody can tell, so write {{{number}:n}} for n digits"
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


def has_spans(pattern: str) -> bool:
    """Whether a pattern that `check` lets pass tells spans apart."""
    return any(match["name"] in ("SPAN", "YYYY") for match in _PLACEHOLDER.finditer(pattern))


def name_span(pattern: str, span: int) -> str:
    """Names a span as a person does: by its number, or by its date."""
    dated = "{YYYY}" in pattern
    return f"span {datetime.date.fromordinal(span + _EPOCH) if dated else span}"


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
    found = _find_by_split(directory, pattern)
    editions = sorted({edition for one in found.values() for edition in one})
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


def find_spans(directory: Path, pattern: str) -> list[Edition]:
    """Finds each span with its newest version, whether or not it is whole.

    Args:
        directory: where they are.
        pattern: one that `check` lets pass.

    Returns:
        The oldest first; at least one.

    Raises:
        UserError: there is none, or a file has something else for a number.
        OSError: the directory can't be read.
    """
    found = _find_by_split(directory, pattern)
    newest = {edition.span: edition for edition in sorted(set().union(*found.values()))}
    return [newest[span] for span in sorted(newest)]


def ask_for(directory: Path, pattern: str, edition: Edition) -> str:
    """Writes a pattern so that TFX, asked for the span of an edition, takes that edition.

    TFX writes numbers without zeros in front unless the pattern says how many digits they have,
    and then it refuses all others that it comes across.

    Args:
        directory: where the edition is.
        pattern: the one by which it was found.
        edition: with the newest version of its span.

    Raises:
        UserError: its versions are not written alike, so that TFX can't tell them.
        OSError: the directory can't be read.
    """
    found = _find_by_split(directory, pattern)
    same = [one for one in set().union(*found.values()) if one.span == edition.span]
    versions = {one.written["VERSION"] for one in same if "VERSION" in one.written}
    if edition.span > _LARGEST:
        raise UserError(
            f"{directory} has {edition.pattern}, and TFX knows no span above {_LARGEST:,}: count "
            "them, or write their date and set dataset.pattern by {YYYY}, {MM} and {DD}."
        )
    if len(set(map(len, versions))) == 1:
        pattern = pattern.replace("{VERSION}", f"{{VERSION:{len(min(versions))}}}")
    elif versions and not (
        edition.written["VERSION"] == str(edition.age[1])
        and _tells_versions(directory, pattern, found, same)
    ):
        raise UserError(
            f"{directory} has the versions {' and '.join(sorted(versions))} by {edition.pattern}, "
            "which TFX can't tell apart: write them with as many digits each."
        )
    if "SPAN" in edition.written:
        return pattern.replace("{SPAN}", f"{{SPAN:{len(edition.written['SPAN'])}}}")
    return pattern


def _tells_versions(
    directory: Path, pattern: str, found: _BySplit, editions: Collection[Edition]
) -> bool:
    """Whether TFX, which takes all that it can for a version, takes just the numbers."""
    for split, of_split in found.items():
        regex = _to_regex(pattern.replace(_SPLIT, split), number=".*")
        for edition in of_split.keys() & set(editions):
            version = edition.written["VERSION"]
            names = [file.relative_to(directory).as_posix() for file in of_split[edition]]
            matches = filter(None, map(regex.fullmatch, names))
            if any(match["VERSION"] != version for match in matches):
                return False
    return True


def _find_by_split(directory: Path, pattern: str) -> _BySplit:
    found = {split: find_editions(directory, pattern, split) for split in SPLITS}
    if not any(found.values()):
        raise UserError(
            f"{directory} has no TFRecords named {pattern}: write some, or set dataset.pattern."
        )
    return found


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
        written = match.groupdict()
        filled = _fill(pattern, written)
        found.setdefault(Edition(age, filled, written), []).append(file)
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
        day = datetime.date(*(int(values[name]) for name in _DATE)).toordinal()
        return day - _EPOCH, version
    except ValueError:
        return None


def _to_glob(pattern: str, split: str) -> str:
    # Two that touch, as {YYYY}{MM}, would be Python's `**`.
    return re.sub(r"\*+", "*", _PLACEHOLDER.sub("*", pattern.replace(_SPLIT, split)))


def _to_regex(named: str, number: str = "[0-9]+") -> re.Pattern:
    """Translates a pattern; `number` is what a number is of which no width is known."""
    return re.compile("".join(_translate(token, number) for token in _TOKEN.split(named)))


def _translate(token: str, number: str) -> str:
    if match := _PLACEHOLDER.fullmatch(token):
        width = (match["width"] and int(match["width"][1:])) or _DATE.get(match["name"])
        return f"(?P<{match['name']}>{f'[0-9]{{{width}}}' if width else number})"
    if token in ("*", "?"):
        return "[^/]*" if token == "*" else "[^/]"
    return token if _TOKEN.fullmatch(token) else re.escape(token)
