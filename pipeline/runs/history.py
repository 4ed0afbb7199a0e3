"""The runs of one pipeline, from what each left in its root. Free of TensorFlow."""

import datetime
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pydantic_core

from components.model_store.files import read_regular
from pipeline import nodes, workspace
from pipeline.errors import ExitCode, UserError
from pipeline.runs.relocation import move
from pipeline.runs.run_result import FORMAT, Failure, RunResult
from pipeline.workspace import LOG_FILE, RESULT_FILE

# Colons have a meaning in paths of many tools.
_RUN_ID = "%Y-%m-%dT%H-%M-%S.%f"

# What the first format of `result.json` did not have.
_ABSENT = dict.fromkeys(["top_2_accuracy", "calibration_error"])
_ABSENT_OVERALL = dict.fromkeys(["macro_precision", "macro_recall", "macro_f1", "macro_auc"])
_NEWER = (
    f"its {RESULT_FILE} has format {{}}, and this version of the project reads up to {FORMAT}: "
    "look at it with a newer one"
)


def make_run_id(started: datetime.datetime, roots: Iterable[Path] = ()) -> str:
    """Names a run by its start in local time, and behind all runs that there are.

    To the millisecond, so that a script's runs that fail at once do not share a name. Where the
    clock was put back, as each autumn, it is the millisecond after the last name's.

    Args:
        started: when.
        roots: the pipelines' whose runs are listed together, as in `workspace.Workspace`.
    """
    name = _name(started.astimezone())
    names = [one.name for root in roots for one in workspace.runs(root).glob("*")]
    last = max(filter(_parse_started, names), default="")
    if name > last:
        return name
    return _name(datetime.datetime.strptime(last, _RUN_ID) + datetime.timedelta(milliseconds=1))


def _name(time: datetime.datetime) -> str:
    return time.strftime(_RUN_ID)[:-3]


def run_ids(root: Path) -> list[str]:
    """Returns the ids of all runs that began in a root, the newest first.

    Args:
        root: the pipeline's, as in `workspace.Workspace`.
    """
    # Which `make_run_id` sees to.
    return sorted(
        (
            directory.name
            for directory in workspace.runs(root).glob("*")
            if (directory / LOG_FILE).exists() or (directory / RESULT_FILE).exists()
        ),
        reverse=True,
    )


def read_runs(root: Path) -> list[RunResult]:
    """Reads what all runs in a root came to, the newest first.

    Args:
        root: the pipeline's, as in `workspace.Workspace`.

    Returns:
        Results as `read_run` returns them; none where there is no run.
    """
    return [read_run(root, run_id) for run_id in run_ids(root)]


def read_run(root: Path, run_id: str, *, ended: bool = False) -> RunResult:
    """Reads what a run came to, from its `result.json`.

    Args:
        root: the pipeline's, as in `workspace.Workspace`.
        run_id: one of `run_ids`, or of the runs that ML Metadata knows.
        ended: whether it is known that the run does not go on, as by who holds the root.

    Returns:
        The result. Where there is no `result.json`, as the run goes on or was killed, or none that
        can be read, it is what ML Metadata knows without TFMA's files: no training and no
        evaluation.
    """
    try:
        content = read_regular(workspace.runs(root) / run_id / RESULT_FILE)
    except FileNotFoundError:
        return _read_unfinished(root, run_id, ended=ended)
    except OSError as error:
        return _unreadable(root, run_id, f"its {RESULT_FILE} can't be read: {error.strerror}")
    try:
        document = _at_home(pydantic_core.from_json(content), root, run_id)
        if document.get("format", FORMAT) > FORMAT:
            return _unreadable(root, run_id, _NEWER.format(document["format"]))
        result = RunResult.model_validate(_upgrade(document))
    except (AttributeError, ValueError, TypeError, KeyError):
        return _unreadable(root, run_id, f"its {RESULT_FILE} is damaged")
    # Its directory's name is what finds it.
    return result.model_copy(update={"run_id": run_id})


def _at_home(document: dict, root: Path, run_id: str) -> dict:
    """Has the paths be those of where the root is now, if it was moved since."""
    before, log = str(document.get("log")), workspace.runs(root) / run_id / LOG_FILE
    below = str(log.relative_to(root))
    if before == str(log) or not before.endswith(f"/{below}"):
        return document
    former = before.removesuffix(f"/{below}")
    return json.loads(move(json.dumps(document), former, str(root)))


def _unreadable(root: Path, run_id: str, cause: str) -> RunResult:
    return _recover(root, run_id, cause).model_copy(update={"readable": False})


def is_running(root: Path, run_id: str) -> bool:
    """Whether a run has not ended yet."""
    ended = (workspace.runs(root) / run_id / RESULT_FILE).exists()
    # The lock is the newest run's, as one runs at a time.
    return not ended and run_id == run_ids(root)[0] and workspace.is_locked(root)


def _upgrade(document: dict) -> dict:
    """Brings the first format, which had `metrics` and no `started`, to that of today.

    What the second does not have is known to be missing by its default.
    """
    document = {"started": _parse_started(document["run_id"]), **document}
    metrics = document.get("metrics")
    if metrics is None:
        return document
    evaluation = {
        "overall": {**_ABSENT, **_ABSENT_OVERALL, **metrics["overall"]},
        "classes": {
            name: {**_ABSENT, "auc": None, **one} for name, one in metrics["classes"].items()
        },
        "confusion": [],
        "blessed": document["blessed"],
        "notes": document["reasons"],
    }
    return {**document, "evaluation": evaluation}


def _read_unfinished(root: Path, run_id: str, *, ended: bool) -> RunResult:
    if not ended and is_running(root, run_id):
        return _from_metadata(root, run_id).model_copy(update={"running": True})
    return _recover(root, run_id, "the run was killed before it could write its result")


def _recover(root: Path, run_id: str, cause: str) -> RunResult:
    known = _from_metadata(root, run_id)
    components = {
        node: one.model_copy(update={"state": "interrupted"}) if one.state == "running" else one
        for node, one in known.components.items()
    }
    broken = [node for node, one in components.items() if one.state in ("interrupted", "failed")]
    failure = Failure(cause=cause, node=broken[0] if broken else None)
    return known.model_copy(
        update={"components": components, "failure": failure, "exit_code": ExitCode.FAILED}
    )


def _from_metadata(root: Path, run_id: str) -> RunResult:
    log = workspace.runs(root) / run_id / LOG_FILE
    return RunResult(
        run_id=run_id,
        started=_parse_started(run_id),
        log=str(log) if log.exists() else None,
        **_read_metadata(workspace.metadata(root), run_id),
    )


def _parse_started(run_id: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(run_id, _RUN_ID).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None


def _read_metadata(file: Path, run_id: str) -> dict[str, object]:
    """Fields of the result."""
    if not file.exists():
        return {}
    # Takes longer to load than all else here, and is seldom needed.
    from pipeline.runs import metadata

    # A run is listed also where the books are damaged, which another command mends.
    with suppress(UserError), metadata.explaining(file):
        store = metadata.open_store(file, read_only=True)
        pushed = metadata.find_output(store, run_id, nodes.PUSHER, "pushed_model")
        return {
            "components": metadata.read_nodes(store, run_id),
            "pushed": metadata.read_pushed(pushed, run_id) if pushed else None,
        }
    return {}
