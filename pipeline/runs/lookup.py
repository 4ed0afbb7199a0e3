"""Finds the run that a person names, and reads it with its figures."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components import quiet
from components.evaluation.figures import Evaluation, EvaluationError
from components.model_store.manifest import StoreError
from components.model_store.store import Store
from pipeline import config, nodes, workspace
from pipeline.errors import UserError
from pipeline.runs import history
from pipeline.runs.run_result import RunResult
from pipeline.workspace import Workspace

SERVING = "serving"
"""Names the run whose model is live."""


@dataclass(frozen=True)
class Found:
    """A run, and the pipeline in whose root it is."""

    place: Workspace
    run_id: str


def find_places(settings: config.Config) -> list[Workspace]:
    """The pipelines whose runs are meant: the dataset's and the sample's, if none is named."""
    named = settings.dataset.name
    datasets = workspace.DATASETS if named == config.AUTO else (named,)
    return [workspace.workspace(settings.paths, dataset) for dataset in datasets]


def find_all(places: Sequence[Workspace]) -> list[Found]:
    """All runs, the newest first.

    Raises:
        UserError: there is none.
    """
    found = [Found(place, run_id) for place in places for run_id in history.run_ids(place.root)]
    if not found:
        raise UserError(
            f"{places[0].root} has no runs: name the --root of one, or run "
            "`python -m pipeline.local_runner`."
        )
    return sorted(found, key=lambda one: one.run_id, reverse=True)


def find(places: Sequence[Workspace], name: str | None) -> Found:
    """Finds the run that a person means.

    Args:
        places: where to look.
        name: its id, or the beginning of it; `SERVING`; None for the latest that has ended.

    Raises:
        UserError: there is no such run, or several.
    """
    found = find_all(places)
    if name is None:
        ended = (one for one in found if not history.is_running(one.place.root, one.run_id))
        return next(ended, found[0])
    if name == SERVING:
        return _find_live(found)
    matches = [one for one in found if one.run_id.startswith(name)]
    exact = [one for one in matches if one.run_id == name]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if not matches:
        raise UserError(
            f"There is no run {name} in {places[0].root}: `python -m pipeline.inspect runs` lists "
            "them."
        )
    raise UserError(
        f"{len(matches)} runs begin with {name}, such as {matches[0].run_id} and "
        f"{matches[1].run_id}: name more of it."
    )


def _find_live(found: Sequence[Found]) -> Found:
    """Finds the run that pushed the live model, by the serving directory's manifest."""
    # Of the latest run's dataset, where none is named.
    place = found[0].place
    try:
        version = Store(place.serving_model_dir).find()
    except StoreError as error:
        raise UserError(str(error)) from error
    what = f"Version {version.number} in {place.serving_model_dir}"
    if version.record is None:
        raise UserError(f"{what} was not pushed by a run, so there are no figures of it.")
    live = Found(place, version.record.facts.run)
    if live not in found:
        raise UserError(
            f"{what} is of the run {live.run_id}, which {place.root} does not have: name another."
        )
    return live


def read(found: Found) -> RunResult:
    """Reads a run, its figures from TFMA's results where it left no whole `result.json`.

    It says so on standard error, as TensorFlow takes some seconds to load.

    Raises:
        UserError: TFMA's results can't be read.
    """
    result = history.read_run(found.place.root, found.run_id)
    evaluator = result.components.get(nodes.EVALUATOR)
    if result.evaluation or evaluator is None or evaluator.state not in ("done", "cached"):
        return result
    return result.model_copy(update={"evaluation": _read_evaluation(found)})


def _read_evaluation(found: Found) -> Evaluation | None:
    from pipeline.runs import metadata

    store = metadata.open_store(found.place.metadata, read_only=True)
    artifact = metadata.find_output(store, found.run_id, nodes.EVALUATOR, "evaluation")
    if artifact is None:
        return None
    print(
        f"Run {found.run_id} left no whole {workspace.RESULT_FILE}: loading TensorFlow to read "
        "TFMA's results, which takes some seconds …",
        file=sys.stderr,
    )
    try:
        with quiet.kept_quiet():
            from components.evaluation.reader import read_evaluation

            return read_evaluation(artifact.uri)
    except EvaluationError as error:
        raise UserError(str(error)) from error
