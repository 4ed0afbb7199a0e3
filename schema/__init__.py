"""The curated schema of the raw examples."""

from pathlib import Path

SCHEMA_FILE = Path(__file__).with_name("schema.pbtxt")
"""A `tensorflow_metadata.proto.v0.Schema` in text format."""
