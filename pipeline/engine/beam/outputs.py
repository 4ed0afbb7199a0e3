"""What a Beam node has made, looked at from this machine before it goes into the books.

A worker that can't see the root reads nothing, or writes elsewhere, and its job ends well all the
same: an empty data set would be taken from the cache from then on.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components import split_files
from components.evaluation.figures import EvaluationError
from components.evaluation.reader import read_figures
from components.properties import EXAMPLES
from pipeline.data.framing import read_records
from pipeline.errors import UserError
from pipeline.runs.metadata import text_property
from trainer_module.tfx_internals import artifact_utils, types

Counts = Mapping[str, int]
"""Examples by split; a split that it lacks may have any number of them but none."""


_MEASURED = "test"
"""The split that a model is measured on."""

_DAMAGED = "run again, which makes it anew"


class LostOutputError(UserError):
    """What a node made is not there, or is empty: one sentence that says what, and what to do."""


def check_outputs(
    inputs: Mapping[str, Sequence[types.Artifact]],
    outputs: Mapping[str, Sequence[types.Artifact]],
    made: Any,  # noqa: ANN401 - TFX's `ExecutorOutput`, untyped.
    records: Counts,
    way_out: str,
) -> None:
    """Looks at all that a node made, and notes on `Examples` how many there are.

    Args:
        inputs: what the node took in, by key.
        outputs: what it was to make, by key.
        made: what its executor says that it made.
        records: how many examples there are to import.
        way_out: what to do about what is not there, a clause.

    Raises:
        LostOutputError: a file is not there or is empty, a split has no example, or not as many as
            it was made from.
    """
    source = _read_counts(inputs)
    for key, [artifact, *_] in outputs.items():
        for proto in made.output_artifacts[key].artifacts:
            look_at = _LOOKS.get(artifact.type_name, _look_at_files)
            fault = look_at(proto, records if source is None else source)
            if fault:
                raise LostOutputError(f"{fault}: {way_out}.")


def _read_counts(inputs: Mapping[str, Sequence[types.Artifact]]) -> Counts | None:
    """How many examples a node took in, as was noted; None where it took in none."""
    noted = [
        text_property(one.mlmd_artifact, EXAMPLES)
        for artifacts in inputs.values()
        for one in artifacts
        if one.type_name == "Examples"
    ]
    # Of several spans together, nothing is counted. What an earlier version imported has no note.
    return (json.loads(noted[0] or "{}") if len(noted) == 1 else {}) if noted else None


def _look_at_examples(artifact: metadata_store_pb2.Artifact, source: Counts) -> str | None:
    counts = {}
    for split, directory in _split_directories(artifact):
        files = sorted(directory.glob("*"))
        counts[split] = sum(1 for file in files for _ in read_records(file, _DAMAGED))
        if fault := _compare(directory, counts[split], source.get(split)):
            return fault
    artifact.custom_properties[EXAMPLES].string_value = json.dumps(counts)
    return None


def _look_at_statistics(artifact: metadata_store_pb2.Artifact, source: Counts) -> str | None:
    files = [place / split_files.STATISTICS_FILE for _, place in _split_directories(artifact)]
    if fault := _find_missing(files):
        return fault
    directory = Path(artifact.uri)
    for split, dataset in split_files.read_datasets(directory).items():
        place = directory / f"{split_files.SPLIT}{split}"
        if fault := _compare(place, int(dataset.num_examples), source.get(split)):
            return fault
    return None


def _look_at_transform_graph(artifact: metadata_store_pb2.Artifact, source: Counts) -> str | None:
    parts = ("metadata/schema.pbtxt", "transformed_metadata/schema.pbtxt")
    names = (*parts, "transform_fn/saved_model.pb")
    return _find_missing(Path(artifact.uri, name) for name in names)


def _look_at_evaluation(artifact: metadata_store_pb2.Artifact, source: Counts) -> str | None:
    try:
        examples = read_figures(artifact.uri).overall.examples
    except EvaluationError:
        return f"{artifact.uri} has no figures that can be read"
    return _compare(Path(artifact.uri), examples, source.get(_MEASURED))


def _look_at_files(artifact: metadata_store_pb2.Artifact, source: Counts) -> str | None:
    # One may be empty: a blessing says all by its name.
    there = any(path.is_file() for path in Path(artifact.uri).rglob("*"))
    return None if there else f"{artifact.uri} has no file"


def _split_directories(artifact: metadata_store_pb2.Artifact) -> Iterator[tuple[str, Path]]:
    names = artifact.properties["split_names"].string_value
    for split in artifact_utils.decode_split_names(names):
        yield split, Path(artifact.uri, f"{split_files.SPLIT}{split}")


def _find_missing(files: Iterable[Path]) -> str | None:
    for file in files:
        if not file.is_file():
            return f"{file} is not there"
        if not file.stat().st_size:
            return f"{file} is empty"
    return None


def _compare(place: Path, found: int, expected: int | None) -> str | None:
    if not found:
        return f"{place} has no example"
    if expected not in (None, found):
        return f"{place} has {found:,} examples, and {expected:,} were to be read"
    return None


_Look = Callable[[metadata_store_pb2.Artifact, Counts], str | None]

_LOOKS: Mapping[str, _Look] = {
    "Examples": _look_at_examples,
    "ExampleStatistics": _look_at_statistics,
    "TransformGraph": _look_at_transform_graph,
    "ModelEvaluation": _look_at_evaluation,
}
