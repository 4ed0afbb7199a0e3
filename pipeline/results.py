"""What a run came to, as data: what `--json` prints and the summary shows."""

import datetime
from typing import Literal

import pydantic

from components.evaluation.results import Evaluation
from pipeline import nodes
from pipeline.errors import ExitCode

NodeState = Literal["waiting", "running", "done", "cached", "left out", "failed", "interrupted"]


class _Result(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, ser_json_inf_nan="constants")


class NodeResult(_Result):
    """How one node of the graph ended, and the seconds it took."""

    state: NodeState = "waiting"
    seconds: float = 0.0


class Training(_Result):
    """How the model was trained.

    `learning_rate` is the peak of the rate; `learning_rate_warning` says why the finder could
    not tell it, where that is so. Epochs count from 1; `best_epoch` has the lowest loss on
    `eval`, and `exported_epoch` is the one whose weights were taken and whose figures on
    `eval` these are.
    """

    parameters: int
    epochs: int
    best_epoch: int
    exported_epoch: int
    eval_accuracy: float
    eval_loss: float
    learning_rate: float
    learning_rate_warning: str | None = None


class Serving(_Result):
    """What the serving check and the serving directory said to a blessed model.

    `reasons` has a phrase for each that keeps it from being served. `measures` has size, load
    time, latency and memory, as `components.serving_check.report.Report`.
    """

    reasons: list[str]
    measures: dict[str, float] = {}


class Pushed(_Result):
    """The served model: its directory and its version."""

    path: str
    version: str


class Failure(_Result):
    """What went wrong, in a sentence, and in which node if in one."""

    cause: str
    node: str | None = None


class RunResult(_Result):
    """Everything there is to tell of a run.

    `training`, `evaluation`, `serving` and `pushed` are None where the run did not get that
    far, the last also where nothing was pushed. `pictures` are the curves, as files, and
    `report` is the page. `started` is in UTC; `running` says that it has not ended yet.
    """

    run_id: str
    started: datetime.datetime | None = None
    running: bool = False
    dataset: str | None = None
    components: dict[str, NodeResult] = {}
    training: Training | None = None
    evaluation: Evaluation | None = None
    serving: Serving | None = None
    pushed: Pushed | None = None
    pictures: list[str] = []
    report: str | None = None
    failure: Failure | None = None
    exit_code: ExitCode = ExitCode.OK
    log: str | None = None

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do: every component came from the cache."""
        return bool(self.components) and all(
            result.state in ("cached", "left out")
            for node, result in self.components.items()
            # It looks for the baseline anew in each run, and is never cached.
            if node != nodes.BASELINE_RESOLVER
        )

    @property
    def why_not_pushed(self) -> list[str]:
        """A sentence for each that kept it from pushing a model; none where nothing did."""
        if self.running:
            return ["it has not ended yet"]
        if self.failure:
            node, cause = self.failure.node, self.failure.cause
            return [f"{node} failed: {cause}" if node else cause]
        if self.evaluation and not self.evaluation.blessed:
            # The first format of `result.json` had sentences alone, which are read as notes.
            return self.evaluation.reasons or self.evaluation.notes
        return self.serving.reasons if self.serving else []

    def to_json(self) -> str:
        """The object that `--json` prints, on one line."""
        document = self.model_dump(mode="json")
        evaluation = self.evaluation
        document["blessed"] = evaluation and evaluation.blessed
        document["reasons"] = evaluation.reasons if evaluation else []
        return dump_json(document)


def dump_json(document: dict) -> str:
    """Writes an object on one line; figures that are not finite are null."""
    return pydantic.TypeAdapter(dict).dump_json(document).decode()
