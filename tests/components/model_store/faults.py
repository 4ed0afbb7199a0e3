"""What is tried against a store, and what a model server would find afterwards."""

from pathlib import Path

from components.model_store import files

CHECKOUT = Path(__file__).resolve().parents[3]


def found(directory):
    """What a model server finds: the files of each visible version."""
    return {int(path.name): files.checksums(path) for path in directory.glob("[0-9]*")}


def size(directory):
    """Bytes in all files, the same in all models of one size."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
