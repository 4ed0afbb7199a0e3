"""The curated schemas: of the raw examples, and of what is measured on the images.

Each is a `tensorflow_metadata.proto.v0.Schema` in text format.
"""

from pathlib import Path

SCHEMA_FILE = Path(__file__).with_name("schema.pbtxt")
"""Of the raw examples."""

IMAGES_FILE = Path(__file__).with_name("images.pbtxt")
"""Of the image statistics."""
