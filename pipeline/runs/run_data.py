"""What a run knows of its data, while it runs and after: images, distances, and the gate's say.

Free of TensorFlow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from components.data_gate.anomalies import Distance, read_distances
from components.data_gate.findings import Finding, read_findings, without_pictures
from components.image_statistics.description import Description, describe
from components.split_files import read_datasets
from pipeline import nodes
from pipeline.errors import UserError
from pipeline.runs import history, lookup
from pipeline.runs.lookup import Found
from pipeline.runs.run_result import RunResult
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    import ml_metadata as mlmd

_SPAN, _VERSION = "span", "version"


@dataclass(frozen=True)
class RunData:
    """What a run knows of its data; empty or None what it did not come to.

    Attributes:
        result: what it came to.
        span: the number of its data's span, as ImportExampleGen says; 0 also where it has none.
        version: that of its version; None where it has none.
        splits: what there is in each.
        skew: the distances between splits.
        drift: the distances to the span before.
        findings: what the data gate found, without pictures; None where it did not judge.
    """

    result: RunResult
    span: int | None = None
    version: int | None = None
    splits: Mapping[str, Description] = field(default_factory=dict)
    skew: Sequence[Distance] = ()
    drift: Sequence[Distance] = ()
    findings: Sequence[Finding] | None = None


def read(found: Found) -> RunData:
    """Reads what a run knows of its data.

    Raises:
        UserError: what it put out can't be read.
    """
    result = history.read_run(found.place.root, found.run_id)
    refused = result.data_findings or None
    store = _open(found.place)
    if store is None:
        return RunData(result, findings=refused)
    examples = _read_edition(store, found.run_id)
    measured = _find_directory(store, found.run_id, nodes.IMAGE_STATISTICS, "statistics")
    judged = _find_directory(store, found.run_id, nodes.DATA_GATE, "blessing")
    skew, drift = (
        _find_directory(store, found.run_id, node, "anomalies")
        for node in (nodes.SKEW_VALIDATOR, nodes.DRIFT_VALIDATOR)
    )
    try:
        datasets = read_datasets(measured) if measured else {}
        return RunData(
            result,
            *examples,
            splits={split: describe(dataset) for split, dataset in datasets.items()},
            skew=read_distances(skew) if skew else (),
            drift=read_distances(drift) if drift else (),
            findings=without_pictures(read_findings(judged)) if judged else refused,
        )
    except (OSError, DecodeError, ValueError, LookupError) as error:
        raise UserError(
            f"What run {found.run_id} found in its data can't be read ({error}): a file is damaged "
            "or missing; run `python -m pipeline.local_runner --no-cache`."
        ) from error


def find_span(places: Sequence[Workspace], span: int) -> Found:
    """Finds the newest run whose data was a span.

    Args:
        places: where to look.
        span: its number.

    Raises:
        UserError: there is none.
    """
    runs = lookup.find_all(places)
    stores = {place: _open(place) for place in {run.place for run in runs}}
    spans = set()
    for run in runs:
        store = stores[run.place]
        found = _read_edition(store, run.run_id)[0] if store else None
        if found == span:
            return run
        spans.add(found)
    known = ", ".join(str(one) for one in sorted(one for one in spans if one is not None))
    raise UserError(
        f"There is no run on span {span} in {places[0].root}: there are runs on "
        f"{f'span {known}' if known else 'no span at all'}."
    )


def _open(place: Workspace) -> "mlmd.MetadataStore | None":
    if not place.metadata.exists():
        return None
    # Loads what takes longer than all else here.
    from pipeline.runs import metadata

    return metadata.open_store(place.metadata, read_only=True)


def _read_edition(store: "mlmd.MetadataStore", run_id: str) -> tuple[int | None, int | None]:
    """Span and version of a run's examples."""
    from pipeline.runs import metadata

    examples = metadata.find_output(store, run_id, nodes.IMPORT_EXAMPLE_GEN, "examples")
    if examples is None:
        return None, None
    version = metadata.int_property(examples, _VERSION) or None
    return metadata.int_property(examples, _SPAN), version


def _find_directory(store: "mlmd.MetadataStore", run_id: str, node: str, key: str) -> Path | None:
    """The directory of what a node put out in a run, if it did and that is still there."""
    from pipeline.runs import metadata

    artifact = metadata.find_output(store, run_id, node, key)
    directory = Path(artifact.uri) if artifact else None
    return directory if directory and directory.is_dir() else None
