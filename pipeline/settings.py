"""The settings as text: as TOML, as what differs from the default, and as a table of the docs.

python -m pipeline.settings docs/settings.md     write the table anew, which `make docs` does
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic

from pipeline import config

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TABLE = re.compile(r"(?<=\| setting \| default \| meaning \|\n\|---\|---\|---\|\n)(\| .*\n)*")


def differing(settings: config.Config) -> dict[str, Any]:
    """Returns the settings that are not the default's, by `group.key`, as in JSON."""
    return {
        f"{group}.{name}": value
        for group, name, value, default in _values(settings)
        if value != default
    }


def to_toml(settings: config.Config) -> str:
    """Writes a file for `--config`: all settings, marked where they are not the default."""
    lines: list[str] = []
    for group, name, value, default in _values(settings):
        if f"[{group}]" not in lines:
            lines += ["", f"[{group}]"]
        if value is None:
            # TOML has no null: what is not given is left out.
            lines.append(f"# {name} is not given")
        else:
            differs = "" if value == default else f"  # default: {_spell(default)}"
            lines.append(f"{name} = {as_toml(value)}{differs}")
    return "\n".join(lines[1:])


def as_toml(value: object) -> str:
    """Spells a value on one line: text, a number, a truth value, a list or a table."""
    if isinstance(value, dict):
        pairs = (f"{_as_key(key)} = {as_toml(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, str):
        # The one control character that JSON leaves as it is, and TOML does not take.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return json.dumps(value)


def to_table() -> str:
    """Writes a row of Markdown for each setting: key, default and meaning."""
    return "".join(
        f"| `{group}.{name}` | {'' if default is None else f'`{as_toml(default)}`'} "
        f"| {_field(group, name).description} |\n"
        for group, name, _, default in _values(config.Config())
    )


def insert_table(page: str) -> str:
    """Returns the text of a page with its table of the settings as `to_table` makes it."""
    return _TABLE.sub(lambda _: to_table(), page, count=1)


def _values(settings: config.Config) -> Iterator[tuple[str, str, Any, Any]]:
    """Yields group, name, value and default of each setting, as in JSON."""
    defaults = config.Config().model_dump(mode="json")
    for group, values in settings.model_dump(mode="json").items():
        for name, value in values.items():
            yield group, name, value, defaults[group][name]


def _field(group: str, name: str) -> pydantic.fields.FieldInfo:
    return type(getattr(config.Config(), group)).model_fields[name]


def _spell(value: object) -> str:
    return "not given" if value is None else as_toml(value)


def _as_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else as_toml(key)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(insert_table(page.read_text(encoding="utf-8")), encoding="utf-8")
