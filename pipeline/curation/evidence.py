"""Finds what a run knows of the data, and reads it. Free of TensorFlow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.split_files import read_datasets
from pipeline.curation import curated
from pipeline.curation.curated import Curated
from pipeline.curation.observing import complete, observe
from pipeline.errors import UserError
from pipeline.runs import lookup
from pipeline.runs.lookup import Found
from pipeline.workspace import Workspace

_STATISTICS, _SCHEMA = "statistics", "schema"

_SCHEMA_FILE = "schema.pbtxt"
"""What TFX names the file in the artifact of a schema."""


@dataclass(frozen=True)
class Evidence:
    """What a run knows of the data.

    Attributes:
        run: whose nodes put it out.
        schema: what the data is, as inferred and as the statistics show it.
        statistics: by split.
    """

    run: Found
    schema: schema_pb2.Schema
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics]


def find(places: Sequence[Workspace], run: str | None, wanted: Curated) -> Evidence | None:
    """Finds what a curated schema is held against.

    Args:
        places: where to look.
        run: which run, as `lookup.find` takes it; None for the newest that got that far.
        wanted: the curated schema.

    Returns:
        What was found; None, if no such run has it.

    Raises:
        UserError: there is no such run, or what it put out can't be read.
    """
    runs = lookup.find_all(places) if run is None else [lookup.find(places, run)]
    for found in _directories(runs, wanted):
        return _read(*found)
    return None


def _directories(
    runs: Sequence[Found], wanted: Curated
) -> Iterator[tuple[Found, Path, Path | None]]:
    """The directories of statistics and inferred schema of each run that has them still."""
    # Loads what takes longer than all else here.
    from pipeline.runs import metadata

    stores = {
        place: metadata.open_store(place.metadata, read_only=True)
        for place in {run.place for run in runs}
        if place.metadata.exists()
    }

    def find_directory(run: Found, node: str, key: str) -> Path | None:
        artifact = metadata.find_output(stores[run.place], run.run_id, node, key)
        directory = Path(artifact.uri) if artifact else None
        return directory if directory and directory.is_dir() else None

    for run in runs:
        if run.place not in stores:
            continue
        statistics = find_directory(run, wanted.statistics_node, _STATISTICS)
        node = wanted.schema_node
        inferred = find_directory(run, node, _SCHEMA) if node and statistics else None
        if statistics and (inferred or not node):
            yield run, statistics, inferred


def _read(run: Found, statistics: Path, inferred: Path | None) -> Evidence:
    try:
        datasets = read_datasets(statistics)
    except (OSError, DecodeError, ValueError) as error:
        raise UserError(
            f"The statistics in {statistics} can't be read: they are damaged or incomplete; run "
            "`python -m pipeline.local_runner --no-cache`."
        ) from error
    schema = observe(datasets)
    if inferred:
        schema = complete(curated.read(inferred / _SCHEMA_FILE), schema)
    return Evidence(run, schema, datasets)
