"""Says in a sentence why a setting is refused, from what pydantic found."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

import pydantic

from trainer_module import features


def describe(error: Mapping[str, Any], settings: type[pydantic.BaseModel]) -> str:
    """Says which key is wrong, how, and what is allowed.

    Args:
        error: one of `pydantic.ValidationError.errors()`.
        settings: what was to be built, whose fields are groups.
    """
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return _describe_unknown(error["loc"], settings)
    if error["type"] == "value_error":
        return f"{key} is not allowed: {error['ctx']['error']}."
    if error["type"] in ("missing", "too_long"):
        # Of model.filters, the one value whose length is fixed.
        key = ".".join(error["loc"][:2])
        return f"{key} = {json.dumps(error['input'])} is not allowed: it should have two values."
    message = error["msg"].removeprefix("Input should be ")
    if error["type"] == "dict_type":
        name = json.dumps(features.CLASS_NAMES[-1])
        message = f"a table by classes, such as {{ default = 0.75, {name} = 0.5 }}"
    return f"{key} = {json.dumps(error['input'])} is not allowed: it should be {message}."


def _describe_unknown(location: tuple[str | int, ...], settings: type[pydantic.BaseModel]) -> str:
    name = str(location[-1])
    group = settings()
    if len(location) > 1:
        group = getattr(group, str(location[0]))
    known = list(type(group).model_fields)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    return f"There is no setting {'.'.join(map(str, location))}: {hint}"
