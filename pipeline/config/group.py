"""What the groups of settings have in common."""

import json
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

DEFAULT = "default"
"""In a table by classes, what holds for those that are not named."""


class Group(pydantic.BaseModel):
    """A group of settings: immutable, and strict about names, types and ranges."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )

    @pydantic.field_validator("*")
    @classmethod
    def _refuse_zero_characters(cls, value: object) -> object:
        """Neither a path nor an argument of a program can have one."""
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str | Path) and "\0" in str(text):
                raise ValueError(f"{json.dumps(str(text))} has a zero character")
        return value
