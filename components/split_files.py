"""What TFX keeps for each split of an artifact, by split. Free of TensorFlow."""

from collections.abc import Iterable
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

STATISTICS_FILE = "FeatureStats.pb"
"""In the directory of each split of an `ExampleStatistics`: TFX names it so."""

ANOMALIES_FILE = "SchemaDiff.pb"
"""In the directory of each split, or pair of them, of an `ExampleAnomalies`: likewise."""

SPLIT, PAIR = "Split-", "SplitPair-"
"""How the directory of a split begins, and that of two that were compared."""

_ORDER = ("train", "eval", "test")


def find_splits(directory: Path, prefix: str = SPLIT) -> dict[str, Path]:
    """Finds the directory of each split, or pair of them.

    Args:
        directory: of an artifact.
        prefix: `SPLIT` or `PAIR`.

    Returns:
        Directories by name, in the order in which people name the splits.
    """
    found = {place.name.removeprefix(prefix): place for place in directory.glob(f"{prefix}*")}
    return {name: found[name] for name in sort_splits(found)}


def sort_splits(names: Iterable[str]) -> list[str]:
    """Sorts names of splits, and of pairs by their first: those that are known, then all others."""

    def place(name: str) -> tuple[int, str]:
        split = name.partition("_")[0]
        return (_ORDER.index(split) if split in _ORDER else len(_ORDER)), name

    return sorted(names, key=place)


def read_datasets(directory: Path) -> dict[str, statistics_pb2.DatasetFeatureStatistics]:
    """Reads the message of each split from an `ExampleStatistics`."""
    found = {}
    for split, place in find_splits(directory).items():
        content = (place / STATISTICS_FILE).read_bytes()
        [found[split]] = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    return found
