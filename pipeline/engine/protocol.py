"""What the command and the process that runs the graph say to one another.

The command writes one `Request` to the worker's standard input. The worker writes events
to a pipe, a line of JSON each; the last is `Finished`, unless the worker died. SIGTERM asks it to
stop, and so does a second line on its standard input, which says why, or the end of that.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic

from components.data_gate.findings import Finding
from components.evaluation.figures import Evaluation
from pipeline.config import Config
from pipeline.data.kinds import AnySource
from pipeline.data.preparation import SetAside
from pipeline.runs.run_result import (
    Failure,
    FirstTest,
    NodeState,
    Pushed,
    ServingResult,
    TrainingResult,
)

GRACE_S = 20.0
"""How long a worker that was asked to stop may clean up before it is killed."""


class _Message(pydantic.BaseModel):
    # NaN, as of a training that diverged, would become null.
    model_config = pydantic.ConfigDict(ser_json_inf_nan="constants")


class Request(_Message):
    """What to run.

    `from_node` and `to_node` select a part of the graph; None stands for its ends.
    `keep_versions` takes from the cache what other versions of the libraries made.
    """

    run_id: str
    config: Config
    source: AnySource
    from_node: str | None
    to_node: str | None
    cache: bool
    keep_versions: bool = False


class StepEvent(_Message):
    """The worker began something that takes a while and is no node."""

    kind: Literal["step"] = "step"
    text: str


class DataEvent(_Message):
    """The records are ready: examples by split."""

    kind: Literal["data"] = "data"
    examples: dict[str, int]


class NodeEvent(_Message):
    """A node started or ended; `note` says why it did nothing, where it was skipped."""

    kind: Literal["node"] = "node"
    node: str
    state: NodeState
    note: str = ""


class TrainingEvent(_Message):
    """How far the training is; see `trainer_module.progress_log`."""

    kind: Literal["training"] = "training"
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None


class RangeTestEvent(_Message):
    """How far the learning-rate finder is; see `trainer_module.progress_log`."""

    kind: Literal["range_test"] = "range_test"
    point: int
    points: int
    rate: float
    loss: float


class Finished(_Message):
    """The run ended, well or not.

    `usage` says that the failure is for the user to mend, and `interrupted` that there is none: it
    was asked to stop. The rest is as in `RunResult`.
    """

    kind: Literal["finished"] = "finished"
    data_findings: list[Finding] = []
    set_aside: SetAside | None = None
    training: TrainingResult | None = None
    spans: list[str] = []
    evaluation: Evaluation | None = None
    first_test: FirstTest | None = None
    serving: ServingResult | None = None
    pushed: Pushed | None = None
    pictures: list[str] = []
    notes: list[str] = []
    serving_flags: str = ""
    unfit_version: int | None = None
    failure: Failure | None = None
    usage: bool = False
    interrupted: bool = False


INTERRUPTED = Finished(failure=Failure(cause="interrupted"), interrupted=True)
"""Of a run that was asked to stop."""


Event = Annotated[
    StepEvent | DataEvent | NodeEvent | TrainingEvent | RangeTestEvent | Finished,
    pydantic.Field(discriminator="kind"),
]

_EVENT: pydantic.TypeAdapter[Event] = pydantic.TypeAdapter(Event)


def parse_event(line: str) -> Event:
    """Reads one line of the pipe."""
    return _EVENT.validate_json(line)


def make_event(fields: Mapping[str, object]) -> Event:
    """Makes the event that `kind` names."""
    return _EVENT.validate_python(fields)
