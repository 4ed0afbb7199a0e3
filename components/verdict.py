"""What became of a run's model, decided in one place. Free of TensorFlow.

The screen, the page, the lists of the runs, `--json` and the exit code all go by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.data_gate.findings import Finding
from components.evaluation.figures import Evaluation
from components.properties import HELD_BACK, LIVE_VERSION, PUSHED_BY, SKIPPED

State = Literal[
    "running", "open", "good", "refused", "stopped", "failed", "unusable", "interrupted"
]


@dataclass(frozen=True)
class Failure:
    """Why a run did not come to its end.

    Attributes:
        cause: a sentence.
        node: the component that failed, if one did.
        interrupted: whether it was asked to stop.
        unusable: whether what it was given is for the user to mend.
        data_findings: what the data gate found, where it stopped the run.
    """

    cause: str
    node: str | None = None
    interrupted: bool = False
    unusable: bool = False
    data_findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class Standing:
    """Where a model stands in the serving directory.

    Attributes:
        version: the model's.
        live: the version that is live; None where that is not known. An older one than the
            model's is pinned.
        new: whether this run pushed the model, which else was there already.
    """

    version: int
    live: int | None = None
    new: bool = True


def read_standing(pushed: Mapping[str, int | str], run: str) -> Standing | None:
    """Reads where a model stood after its push.

    Args:
        pushed: the custom properties of a `PushedModel`.
        run: the run that asks, which may have it from the cache.

    Returns:
        The standing; None where nothing was pushed.
    """
    if not pushed.get("pushed"):
        return None
    live = pushed.get(LIVE_VERSION)
    # TFX's Pusher, and ours before, said no more than the version.
    new = pushed.get(PUSHED_BY, run) == run
    return Standing(int(pushed["pushed_version"]), int(live) if live else None, new)


def read_refusals(
    check: Sequence[str], pushed: Mapping[str, int | str], flags: str = ""
) -> Sequence[str]:
    """Reads what kept a blessed model from being pushed.

    Args:
        check: the reasons of the serving check.
        pushed: the custom properties of a `PushedModel`.
        flags: of `python -m pipeline.serving`, to name the serving directory.

    Returns:
        A phrase each.
    """
    if check:
        return check
    if version := pushed.get(HELD_BACK):
        command = _rollback(str(version), flags)
        return [f"it was rolled back, as version {version}: `{command}` serves it again"]
    return [str(pushed[SKIPPED])] if SKIPPED in pushed else []


@dataclass(frozen=True)
class Verdict:
    """What became of the model.

    Attributes:
        state: `good` if it is in service as it should be; `refused` if it is not; `open` where
            the run was not to get so far; `stopped` where the data was refused, so that there is
            none.
        label: a word or three, for a list.
        headline: a sentence without its full stop.
        reasons: phrases: why it was refused, is not live, or the run failed.
    """

    state: State
    label: str
    headline: str
    reasons: Sequence[str] = ()


def judge(
    evaluation: Evaluation | None = None,
    refusals: Sequence[str] = (),
    standing: Standing | None = None,
    *,
    idle: bool = False,
    flags: str = "",
) -> Verdict:
    """Judges a run that came to its end.

    Args:
        evaluation: what the Evaluator said; None where the run did not get there.
        refusals: what kept a blessed model from being pushed, a phrase each.
        standing: of the model in the serving directory, if it is there.
        idle: whether nothing had to be done.
        flags: of `python -m pipeline.serving`, to name the serving directory.
    """
    if evaluation is None:
        headline = "Ended before the Evaluator, as asked: no model was judged or pushed"
        return Verdict("open", "not judged", headline)
    if not evaluation.blessed:
        # The first format of `result.json` had sentences alone, which are read as notes.
        reasons = evaluation.reasons or evaluation.notes
        return Verdict("refused", "not blessed", "Not blessed, and not pushed", reasons)
    if refusals:
        return Verdict("refused", "not pushed", "Blessed, but not pushed", refusals)
    if standing is None:
        headline = "Blessed; not pushed, since the run ended before the Pusher"
        return Verdict("open", "blessed", headline)
    return _judge_standing(standing, idle=idle, flags=flags)


def _judge_standing(standing: Standing, *, idle: bool, flags: str) -> Verdict:
    version, live = standing.version, standing.live or standing.version
    if live > version:
        command = _rollback(version, flags)
        return Verdict(
            "refused",
            "not live",
            f"Blessed, and there already as version {version}, but version {live} is live",
            [f"`{command}` makes version {version} live"],
        )
    if live < version:
        # What is newer than the live version waits for the end of a pin.
        done = "and pushed" if standing.new else "and there already"
        return Verdict(
            "good",
            "waits for a pin",
            f"Blessed {done} as version {version}",
            [f"version {live} is pinned and stays live"],
        )
    if idle:
        return Verdict("good", "already live", f"Nothing to do: already live as version {version}")
    if not standing.new:
        return Verdict("good", "already live", f"Blessed, and already live as version {version}")
    return Verdict("good", "pushed", f"Blessed and pushed as version {version}")


def _rollback(version: int | str, flags: str) -> str:
    return f"python -m pipeline.serving rollback {version} {flags}".rstrip()


def judge_unreadable(why: str) -> Verdict:
    """Judges a run whose result can't be read, in a sentence that says why."""
    return Verdict("open", "unreadable", "What became of the model can't be read", [why])


def judge_failure(failure: Failure) -> Verdict:
    """Judges a run that did not come to its end."""
    if failure.interrupted:
        headline = "Interrupted: run it again, and the finished components are kept"
        return Verdict("interrupted", "interrupted", headline)
    stops = [one.sentence for one in failure.data_findings if one.severity == "stop"]
    if stops:
        headline = "The data was refused, and nothing was trained on it"
        return Verdict("stopped", "data refused", headline, stops)
    if failure.unusable:
        return Verdict("unusable", "refused", "The run was refused", [failure.cause])
    where = f"{failure.node} failed" if failure.node else "The run failed"
    return Verdict("failed", "failed", where, [failure.cause])


RUNNING = Verdict("running", "running", "Still running: no model was judged or pushed yet")
"""On a run that has not ended yet."""
