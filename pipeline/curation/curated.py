"""The curated schemas: where they are, what they are held against, and reading them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import schema
from components.model_store.files import read_regular
from pipeline import nodes
from pipeline.errors import UserError


@dataclass(frozen=True)
class Curated:
    """A curated schema.

    Attributes:
        file: it, in text format.
        what: what it is the schema of.
        statistics_node: puts out, as `statistics`, what it is held against.
        schema_node: puts out, as `schema`, one that was inferred from them; None, if no node does.
    """

    file: Path
    what: str
    statistics_node: str
    schema_node: str | None = None

    @property
    def name(self) -> str:
        """The name of the file, by which a person chooses it."""
        return self.file.name

    @property
    def last_node(self) -> str:
        """The node up to which a run must get, so that there is something to compare with."""
        return self.schema_node or self.statistics_node


_ALL = (
    Curated(schema.SCHEMA_FILE, "the raw examples", nodes.STATISTICS_GEN, nodes.SCHEMA_GEN),
    Curated(schema.IMAGES_FILE, "what is measured on the images", nodes.IMAGE_STATISTICS),
)

CURATED: Mapping[str, Curated] = {one.name: one for one in _ALL}
"""All of them, by name."""


def read_text(file: Path) -> str:
    """Reads the text of a schema.

    Raises:
        UserError: it can't be read.
    """
    try:
        return read_regular(file).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UserError(f"{file} can't be read: {reason}; mend it, or put it back.") from error


def parse(text: str, file: Path) -> schema_pb2.Schema:
    """Parses the text of a schema.

    Args:
        text: the text.
        file: where it is from, for the error.

    Raises:
        UserError: it is no schema; the sentence names line and column.
    """
    try:
        return text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise UserError(
            f"{file} is no schema in text format: {str(error).rstrip('.')} (line:column : fault); "
            "mend it there."
        ) from error


def read(file: Path) -> schema_pb2.Schema:
    """Reads a schema.

    Raises:
        UserError: it can't be read, or is no schema.
    """
    return parse(read_text(file), file)
