"""Proposes a curated schema that takes the data, with the comments of the one that there is."""

import difflib
import os
import re
from collections.abc import Collection
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components import quiet
from components.model_store.files import write_atomically
from pipeline.curation.curated import CURATED
from pipeline.errors import UserError

# Code up to a `#` that is not within quotes, and the comment from there on.
_LINE = re.compile(r"""((?:[^#"']|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')*)(#.*)?""")


def widen(
    schema: schema_pb2.Schema, statistics: Collection[statistics_pb2.DatasetFeatureStatistics]
) -> schema_pb2.Schema:
    """Changes a schema by as little as makes TFDV find no anomaly. Loads TensorFlow.

    Args:
        schema: left as it is.
        statistics: of each split.
    """
    known = [feature.name for feature in schema.feature]
    with quiet.kept_quiet():
        import tensorflow_data_validation as tfdv

        # Twice, as an earlier split may lack what a later one adds.
        for dataset in [*statistics, *statistics]:
            split = statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])
            schema = tfdv.update_schema(schema, split)
    for feature in schema.feature:
        # What one split has and another one lacks was added, and given up at once.
        if feature.name not in known and feature.lifecycle_stage == schema_pb2.DEPRECATED:
            feature.ClearField("lifecycle_stage")
            feature.ClearField("presence")
    return schema


def find_given_up(before: schema_pb2.Schema, after: schema_pb2.Schema) -> list[str]:
    """Names the features that a proposal no longer asks for."""
    stages = {feature.name: feature.lifecycle_stage for feature in before.feature}
    return [
        feature.name
        for feature in after.feature
        if feature.lifecycle_stage == schema_pb2.DEPRECATED != stages.get(feature.name)
    ]


def write_text(schema: schema_pb2.Schema, commented: str) -> str:
    """Writes a schema as text, with the comments of another one.

    Args:
        schema: what is written.
        commented: the text of the other one. Lines that both have stay as they are there, and the
            lines of comments above a line that is replaced stay where they are.
    """
    wanted = text_format.MessageToString(schema, as_utf8=True).splitlines()
    old = commented.splitlines()
    codes = [_code(line) for line in old]
    places = [number for number, code in enumerate(codes) if code]
    matcher = difflib.SequenceMatcher(
        None, [codes[place] for place in places], wanted, autojunk=False
    )
    written: list[str] = []
    copied = 0
    for kind, first, last, first_new, last_new in matcher.get_opcodes():
        end = places[last - 1] + 1 if last > first else copied
        if kind == "equal":
            written += old[copied:end]
        else:
            written += [line for line in old[copied:end] if _is_comment(line)]
            written += wanted[first_new:last_new]
        copied = end
    return "\n".join([*written, *old[copied:]]) + "\n"


def unified_diff(before: str, after: str, name: str) -> list[str]:
    """Compares two texts as `diff -u` does; nothing, where they are the same."""
    return list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), name, f"{name} (proposed)", lineterm=""
        )
    )


def check_new(file: Path) -> None:
    """Checks that a proposal would overwrite nothing.

    Raises:
        UserError: the file is a curated schema, or is there already.
    """
    if any(file.exists() and file.samefile(one.file) for one in CURATED.values()):
        raise UserError(
            f"{file} is a curated schema, which only a person changes: write the proposal to "
            "another file, and copy what is meant."
        )
    if os.path.lexists(file):
        raise UserError(f"{file} is there already: name another file with --write, or delete it.")


def save(text: str, file: Path) -> None:
    """Writes a proposal into a new file, whole or not at all.

    Raises:
        UserError: as `check_new`, or it can't be written.
    """
    check_new(file)
    try:
        write_atomically(file, text)
    except OSError as error:
        raise UserError(
            f"{file} can't be written: {error.strerror}; name another file with --write."
        ) from error


def _code(line: str) -> str:
    match = _LINE.match(line)
    # With its indentation, as one closing brace is like another.
    return match[1].rstrip() if match else line


def _is_comment(line: str) -> bool:
    return line.strip().startswith("#")
