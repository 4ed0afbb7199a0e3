"""What a run came to, as data: what `--json` prints and the summary shows."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic

from components import verdict
from components.data_gate.findings import Finding
from components.evaluation.figures import Evaluation, Figures
from components.verdict import (
    RUNNING,
    Standing,
    State,
    Verdict,
    judge,
    judge_failure,
    judge_unreadable,
)
from pipeline import nodes
from pipeline.data.preparation import SetAside
from pipeline.errors import ExitCode

NodeState = Literal[
    "waiting", "running", "done", "cached", "skipped", "left out", "failed", "interrupted"
]

EXIT_CODES: Mapping[State, ExitCode] = {
    "running": ExitCode.OK,
    "open": ExitCode.OK,
    "good": ExitCode.OK,
    "refused": ExitCode.NOT_BLESSED,
    "stopped": ExitCode.DATA_REFUSED,
    "failed": ExitCode.FAILED,
    "unusable": ExitCode.USAGE,
    "interrupted": ExitCode.INTERRUPTED,
}
"""How the command ends, by the state of the verdict."""


FORMAT = 3
"""Of `result.json`, which rises where a reader of an older one would go wrong.

The first had `metrics` in place of `evaluation`; the first two have no number.
"""


Version = Annotated[str, pydantic.Field(pattern="^[0-9]{1,19}$")]
"""The name of a version: a number of 63 bits at most."""


class _Result(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, ser_json_inf_nan="constants")


class NodeResult(_Result):
    """How one node of the graph ended, the seconds it took, and why it did nothing, if skipped."""

    state: NodeState = "waiting"
    seconds: float = 0.0
    note: str = ""


class TrainingResult(_Result):
    """How the model was trained.

    `learning_rate` is the peak of the rate; `learning_rate_warning` says why the finder could
    not tell it, where that is so. Epochs count from 1; `best_epoch` has the lowest loss on
    `eval`, and `exported_epoch` is the one whose weights were taken and whose figures on
    `eval` these are. `dataset`, `seed`, `source` and `commit` are as the model tells them, empty or
    None where it does not: see `trainer_module.provenance`. `device` is what it was trained on.
    """

    parameters: int
    epochs: int
    best_epoch: int
    exported_epoch: int
    eval_accuracy: float
    eval_loss: float
    learning_rate: float
    learning_rate_warning: str | None = None
    dataset: str = ""
    seed: int | None = None
    source: str = ""
    commit: str = ""
    device: str = ""


class ServingResult(_Result):
    """What the serving check and the serving directory said to a blessed model.

    `reasons` has a phrase for each that keeps it from being served. `measures` has size, load
    time, latency and memory, as `components.serving_check.findings.Findings`.
    """

    reasons: list[str]
    measures: dict[str, float] = {}


class Code(_Result):
    """What ran: a commit in 40 hexadecimal digits, and whether the files were as committed."""

    commit: str
    clean: bool


class Pushed(_Result):
    """The model in the serving directory: its own directory and its version.

    `new` says whether this run pushed it, which else was there already; `live_version` is the
    one that was live at the end of the run, None where that is not known.
    """

    path: str
    version: Version
    new: bool = True
    live_version: Version | None = None


class FirstTest(_Result):
    """The figures on the test split of the first span ever, to compare models of all spans by."""

    span: str
    figures: Figures


class Failure(_Result):
    """What went wrong, in a sentence, and in which node if in one."""

    cause: str
    node: str | None = None


class RunResult(_Result):
    """Everything there is to tell of a run.

    `training`, `evaluation`, `serving` and `pushed` are None where the run did not get that
    far, the last also where nothing was pushed. `data_findings` are what
    the data gate found, without its pictures. `pictures` are the curves, as files, and
    `report` is the page. `started` is in UTC, and `duration_s` seconds of wall-clock time;
    `running` says that it has not ended yet. `settings` are those that are not the default's, by
    `group.key`, and `code` is None where it is in no checkout. `set_aside`
    says how much of the data was left out, where some was. `notes` are things to know that are
    no refusal, a sentence each. `spans` are those that the model was trained on, by name, none
    where the data has no spans; `first_test` is None where this span was the first, or has none
    before it. `serving_flags` are those of `python -m pipeline.serving`, to name
    the serving directory. `unfit_version` is the live version, if it is the very model that this
    run did not bless. `readable` is False of a file that is
    damaged, or that a later version wrote.
    """

    format: int = FORMAT
    run_id: str
    started: datetime.datetime | None = None
    duration_s: float | None = None
    running: bool = False
    settings: dict[str, pydantic.JsonValue] = {}
    code: Code | None = None
    dataset: str | None = None
    set_aside: SetAside | None = None
    components: dict[str, NodeResult] = {}
    data_findings: list[Finding] = []
    training: TrainingResult | None = None
    spans: list[str] = []
    evaluation: Evaluation | None = None
    first_test: FirstTest | None = None
    serving: ServingResult | None = None
    pushed: Pushed | None = None
    pictures: list[str] = []
    report: str | None = None
    notes: list[str] = []
    serving_flags: str = ""
    unfit_version: int | None = None
    failure: Failure | None = None
    exit_code: ExitCode = ExitCode.OK
    log: str | None = None
    readable: bool = pydantic.Field(True, exclude=True)

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do: every component came from the cache."""
        return bool(self.components) and all(
            result.state in ("cached", "left out")
            for node, result in self.components.items()
            # They look anew in each run, and are never cached.
            if node not in nodes.RESOLVERS
        )

    @property
    def verdict(self) -> Verdict:
        """What became of the model, or of the run."""
        if self.running:
            return RUNNING
        if self.failure and not self.readable:
            return judge_unreadable(self.failure.cause)
        if self.failure:
            return judge_failure(
                verdict.Failure(
                    self.failure.cause,
                    self.failure.node,
                    interrupted=self.exit_code == ExitCode.INTERRUPTED,
                    unusable=self.exit_code == ExitCode.USAGE,
                    data_findings=self.data_findings,
                )
            )
        return judge(
            self.evaluation,
            self.serving.reasons if self.serving else [],
            self._standing(),
            idle=self.idle,
            flags=self.serving_flags,
        )

    def _standing(self) -> Standing | None:
        pushed, pusher = self.pushed, self.components.get(nodes.PUSHER)
        if pushed is None:
            return None
        # An earlier version of `result.json` did not say whether it was new.
        again = pusher is not None and pusher.state in ("cached", "left out")
        live = pushed.live_version
        return Standing(int(pushed.version), int(live) if live else None, pushed.new and not again)

    @property
    def why_not_pushed(self) -> list[str]:
        """A sentence for each that kept it from pushing a model; none where nothing did."""
        if self.running:
            return ["it has not ended yet"]
        if self.failure and self.failure.node and self.readable and self.verdict.state != "stopped":
            return [f"{self.failure.node} failed: {self.failure.cause}"]
        return [] if self.verdict.state == "good" else list(self.verdict.reasons)

    def to_json(self) -> str:
        """The object that `--json` prints, on one line."""
        document = self.model_dump(mode="json")
        evaluation = self.evaluation
        document["blessed"] = evaluation and evaluation.blessed
        judged = self.verdict
        document["verdict"] = dataclasses.asdict(judged)
        document["reasons"] = list(judged.reasons) if judged.state == "refused" else []
        return dump_json(document)


def dump_json(document: dict) -> str:
    """Writes an object on one line; figures that are not finite are null."""
    return pydantic.TypeAdapter(dict).dump_json(document).decode()
