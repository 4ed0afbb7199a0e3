"""Settings as a person gives them, by a file, `--set` and flags, before they are checked."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def collect(
    file: Path | None, assignments: Sequence[str], flags: Mapping[str, Any]
) -> dict[str, Any]:
    """Puts together what is given, the later over the earlier.

    Args:
        file: a TOML file with a table for each group.
        assignments: `group.key=value` each, the value as in TOML; quotes may be left out.
        flags: values by `group.key`; None stands for a flag that was not given.

    Returns:
        Values by group and key, unchecked, as JSON can say them.

    Raises:
        UserError: the file can't be read, or something is not spelled as it should be.
    """
    values = _read_toml(file) if file else {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or key.count(".") not in (1, 2):
            raise UserError(f"--set takes group.key=value, and got {assignment!r}.")
        _assign(values, key.strip(), _parse_value(text.strip()))
    for key, value in flags.items():
        if value is not None:
            _assign(values, key, value)
    return values


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"The configuration {file} can't be read: {error.strerror}; name another file."
        ) from error
    except (RecursionError, ValueError) as error:
        raise UserError(f"The configuration {file} is not valid TOML: {error}.") from error
    _require_plain(document, f"The configuration {file}")
    return document


def _parse_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (RecursionError, ValueError):
        return text


def _assign(values: dict[str, Any], key: str, value: object) -> None:
    *groups, name = key.split(".")
    table = values
    for group in groups:
        table = table.setdefault(group, {})
        if not isinstance(table, dict):
            raise UserError(f"{group} is a group of settings: write a table, [{group}].")
    _require_plain(value, key)
    table[name] = value


def _require_plain(value: object, where: str) -> None:
    """Refuses what JSON, by way of which settings are checked, can't say."""
    try:
        json.dumps(value, default=str, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UserError(f"{where} = {str(value)!r} is not allowed: it should be UTF-8.") from None
    except (RecursionError, ValueError) as error:
        raise UserError(
            f"{where} is not allowed: a number in it has thousands of digits, or it is nested too "
            "deeply."
        ) from error
