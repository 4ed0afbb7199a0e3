"""TensorFlow Serving's `models.config`: which version a server loads, and its labels.

The file may be shared: of what others wrote in it, nothing is changed. What can't be edited
safely is left alone, and the whole configuration of this model goes beside it. All of it is
text, so that `rollback` answers without the server's protos.
"""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.model_store import files, textproto
from components.model_store.textproto import Block, Field, TextprotoError

MODELS_CONFIG_FILE = "models.config"
"""Beside the model's directory, in the serving directory."""

LIVE_LABEL = "live"
PREVIOUS_LABEL = "previous"

_LOADED = 2
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_LIST, _ENTRY = "model_config_list", "config"
# What is written, in this order. A server refuses `model_type`, which is deprecated, beside
# `model_platform`.
_OWN = (
    "name",
    "base_path",
    "model_type",
    "model_platform",
    "model_version_policy",
    "version_labels",
)


class ForeignFormError(ValueError):
    """The file can't be edited without a risk for what others wrote; says why, in a phrase."""


@dataclass(frozen=True)
class Entry:
    """What a server should load of one model.

    Attributes:
        name: the model's.
        base_path: its directory as the server sees it, absolute.
        versions: the visible versions.
        pinned: one of them that is to stay live, or None for the newest.
        names: all numbers in the directory, of those that are no versions too.
    """

    name: str
    base_path: str
    versions: Sequence[int]
    pinned: int | None = None
    names: Sequence[int] = ()

    def fields(self) -> list[str]:
        """Returns its fields as text.

        Unpinned, the two newest are loaded, so that the label of the previous one can be
        asked for; pinned, that one alone.
        """
        newest = [self.pinned] if self.pinned is not None else _newest(self.versions)
        labels = zip((LIVE_LABEL, PREVIOUS_LABEL), newest, strict=False)
        return [
            f"name: {textproto.quote(self.name)}",
            f"base_path: {textproto.quote(self.base_path)}",
            'model_platform: "tensorflow"',
            f"model_version_policy {{ {self._policy(newest)} }}",
            *(f'version_labels {{ key: "{label}" value: {number} }}' for label, number in labels),
        ]

    def _policy(self, newest: Sequence[int]) -> str:
        # By `latest`, a server would try the newest names, be they versions or not.
        if self.pinned is None and newest == _newest({*self.versions, *self.names}):
            return f"latest {{ num_versions: {_LOADED} }}"
        return f"specific {{ {' '.join(f'versions: {number}' for number in newest)} }}"


def _newest(numbers: Sequence[int] | set[int]) -> list[int]:
    return sorted(numbers, reverse=True)[:_LOADED]


def update(text: str, entry: Entry) -> str:
    """Puts an entry into a configuration, in the place of the one of the same name if any.

    Args:
        text: `ModelServerConfig` as text, or nothing.
        entry: what it should say of one model.

    Returns:
        The text; all that does not belong to the entry is as it was.

    Raises:
        ForeignFormError: it has a form in which the entry's place can't be told.
    """
    root = _parse(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if not root.fields:
        start = "" if not text or text.endswith("\n") else newline
        lines = [f"{_LIST} {{", *_indent(_lines(entry), "  "), "}"]
        return text + start + "".join(line + newline for line in lines)
    models = _find_models(root)
    own = _find_own(models, entry.name)
    if own is None:
        return _apply(text, [_insertion(text, models, _lines(entry), newline)])
    return _apply(text, list(_edits(text, own, entry.fields(), newline)))


def _lines(entry: Entry) -> list[str]:
    return [f"{_ENTRY} {{", *_indent(entry.fields(), "  "), "}"]


def _indent(lines: Sequence[str], by: str) -> list[str]:
    return [by + line for line in lines]


def _parse(text: str) -> Block:
    try:
        return textproto.parse(text)
    except TextprotoError as error:
        raise ForeignFormError(str(error)) from error


def _find_models(root: Block) -> Block:
    others = [field.name for field in root.fields if field.name != _LIST]
    if others:
        raise ForeignFormError(f"it has {others[0]}")
    if len(root.fields) > 1:
        raise ForeignFormError(f"it has {_LIST} more than once")
    [models] = root.fields
    if not isinstance(models.value, Block):
        raise ForeignFormError(f"its {_LIST} is written in another form")
    for field in models.value.fields:
        if field.name != _ENTRY or not isinstance(field.value, Block):
            raise ForeignFormError(f"its {_LIST} is written in another form")
    return models.value


def _find_own(models: Block, name: str) -> Block | None:
    own = []
    # Nothing else is in it, see `_find_models`.
    for model in (field.value for field in models.fields if isinstance(field.value, Block)):
        names = model.find("name")
        if len(names) > 1 or not all(isinstance(one.value, bytes) for one in names):
            raise ForeignFormError("the name of a model in it can't be told")
        if names and names[0].value == name.encode():
            own.append(model)
    if len(own) > 1:
        raise ForeignFormError(f"it has several entries for {name}")
    return own[0] if own else None


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def _apply(text: str, edits: Sequence[_Edit]) -> str:
    for edit in sorted(edits, key=lambda one: (one.start, one.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _edits(text: str, own: Block, wanted: Sequence[str], newline: str) -> Iterator[_Edit]:
    """What makes the fields that are ours say what is wanted; others, and comments, stay."""
    missing = []
    for name in _OWN:
        there = own.find(name)
        new = [field for field in wanted if field.split(maxsplit=1)[0].rstrip(":") == name]
        if _meanings(there) == _meanings(textproto.parse(" ".join(new)).fields):
            continue
        for old, field in zip(there, new, strict=False):
            yield _replacement(text, old, field, newline)
        for old in there[len(new) :]:
            yield _removal(text, old, newline)
        missing += new[len(there) :]
    if missing:
        yield _insertion(text, own, missing, newline)


def _meanings(fields: Sequence[Field]) -> list[str]:
    return sorted(repr(field.meaning) for field in fields)


def _replacement(text: str, old: Field, new: str, newline: str) -> _Edit:
    kept = textproto.comments(text[old.start : old.end])
    indent = _margin(text, old.start) or ""
    return _Edit(old.start, old.end, (newline + indent).join([*kept, new]))


def _removal(text: str, old: Field, newline: str) -> _Edit:
    kept = textproto.comments(text[old.start : old.close])
    indent = _margin(text, old.start)
    if kept:
        return _Edit(old.start, old.close, (newline + (indent or "")).join([*kept, ""]))
    rest = re.compile(r"[ \t]*\r?\n").match(text, old.close)
    if indent is not None and rest:  # The line is the field's alone.
        return _Edit(old.start - len(indent), rest.end(), "")
    return _Edit(old.start, old.close, "")


def _insertion(text: str, block: Block, lines: Sequence[str], newline: str) -> _Edit:
    """Adds fields at the end of a block: there, no comment can be in the way."""
    margin = _margin(text, block.end)
    if margin is None:
        space = "" if text[block.end - 1].isspace() else " "
        return _Edit(block.end, block.end, f"{space}{' '.join(line.strip() for line in lines)} ")
    indents = [_margin(text, field.start) for field in block.fields]
    indent = next((one for one in indents if one is not None), margin + "  ")
    start = block.end - len(margin)
    return _Edit(start, start, "".join(line + newline for line in _indent(lines, indent)))


def _margin(text: str, place: int) -> str | None:
    """What is before a place on its line, if that is nothing but blanks."""
    before = text[text.rfind("\n", 0, place) + 1 : place]
    return None if before.strip(" \t") else before


class ModelsConfig:
    """The files in a serving directory that tell a server of one model."""

    def __init__(self, serving_directory: Path, name: str) -> None:
        """Names them; there may be none yet."""
        self._name = name
        self.path = serving_directory / MODELS_CONFIG_FILE
        self.beside = serving_directory / f"{MODELS_CONFIG_FILE}.{name}"

    def write(self, entry: Entry, patience_s: float) -> None:
        """Makes the files say what a server should load, if they do not say so already.

        Where their directory is another's, who lets nobody else write there, they stay as
        they are: that must not keep servers that poll the model's directory from what is new.

        Args:
            entry: what that is.
            patience_s: seconds to wait for a store of another model that is writing.

        Raises:
            OSError: a file can't be written.
            TimeoutError: the other one is not done by then.
        """
        if not self._changes(entry):
            return
        try:
            with files.lock(self.path.with_name(f".{MODELS_CONFIG_FILE}.lock"), patience_s):
                for path, text in self._changes(entry):
                    files.write_atomically(path, text)
        except OSError as error:
            if error.errno not in _FORBIDDEN:
                raise

    def find_server_directory(self) -> str | None:
        """Returns the serving directory as the server is told it, None where it is not."""
        try:
            root = _parse(_read(self.path))
            own = _find_own(_find_models(root), self._name) if root.fields else None
        except ForeignFormError:
            return None
        paths = [field.value for field in own.find("base_path")] if own else []
        ending = f"/{self._name}".encode()
        if len(paths) != 1 or not isinstance(paths[0], bytes) or not paths[0].endswith(ending):
            return None
        return paths[0].removesuffix(ending).decode(errors="replace") or "/"

    def obstacle(self, entry: Entry) -> str:
        """Says, in a sentence, why `models.config` is left alone; nothing if it is not."""
        if self._changes(entry) and not os.access(self.path.parent, os.W_OK):
            return (
                f"{self.path} does not say what is live, as {self.path.parent} can't be written: "
                "mend that, and the next run mends the file."
            )
        try:
            update(_read(self.path), entry)
        except ForeignFormError as error:
            return (
                f"{self.path} is left alone, as {error}: put into it what is in "
                f"{self.beside.name}, or let the server read that."
            )
        return ""

    def _changes(self, entry: Entry) -> list[tuple[Path, bytes]]:
        """What is to be written where."""
        wanted = {}
        try:
            wanted[self.path] = update(_read(self.path), entry)
        except ForeignFormError:
            wanted[self.beside] = _HEADER + update("", entry)
        # A server may have been told to read it.
        if self.beside.exists():
            wanted[self.beside] = _HEADER + update("", entry)
        encoded = {path: _encode(text) for path, text in wanted.items()}
        return [(path, text) for path, text in encoded.items() if _read_bytes(path) != text]


_HEADER = "# Kept by each push, rollback, pin and unpin: python -m pipeline.serving\n"


def _read(path: Path) -> str:
    """The text of the file, or what a new one begins with."""
    try:
        text = files.read_regular(path)
    except FileNotFoundError:
        if path.is_symlink():
            raise ForeignFormError("it is a link that leads nowhere") from None
        return _HEADER
    except OSError as error:
        raise ForeignFormError(f"it can't be read ({error.strerror})") from error
    # Whatever a comment has in it is kept.
    return text.decode("utf-8", "surrogateescape")


def _read_bytes(path: Path) -> bytes | None:
    try:
        return files.read_regular(path)
    except OSError:
        return None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
