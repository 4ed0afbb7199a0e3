"""What was measured, and the medians, ratios and tables that are made of it."""

import itertools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pydantic

from benchmarks.compare.process import Usage
from pipeline import nodes

TRAINING = (nodes.LEARNING_RATE_FINDER, nodes.TRAINER)
"""The components that train; all others have work that grows with the data, but no epochs."""

NOTHING = "–"


@dataclass(frozen=True)
class Interval:
    """When a component ran, in seconds from some point in time."""

    component: str
    began: float
    ended: float


@dataclass(frozen=True)
class Run:
    """What one side took once.

    Attributes:
        usage: of the whole command.
        intervals: when each component of a pipeline ran.
        epochs_s: seconds of each epoch but the first, validation included.
        accuracy: on `test`, where it was measured.
        loss: on `test`, in nats.
    """

    usage: Usage
    intervals: Sequence[Interval] = field(default_factory=list)
    epochs_s: Sequence[float] = field(default_factory=list)
    accuracy: float | None = None
    loss: float | None = None

    @property
    def wall(self) -> float:
        """Seconds from the start of the command to its end."""
        return self.usage.wall_s

    @property
    def epoch(self) -> float | None:
        """The median of the seconds of an epoch."""
        return statistics.median(self.epochs_s) if self.epochs_s else None

    @property
    def stages(self) -> dict[str, float]:
        """Seconds of each component of a pipeline, by its name."""
        return {one.component: one.ended - one.began for one in self.intervals}

    @cached_property
    def shares(self) -> dict[str, float]:
        """The same, but where components run side by side, each has its part of that time."""
        times = sorted({time for one in self.intervals for time in (one.began, one.ended)})
        shares = dict.fromkeys(self.stages, 0.0)
        for begin, end in itertools.pairwise(times):
            at_once = [one for one in self.intervals if one.began <= begin and end <= one.ended]
            for one in at_once:
                shares[one.component] += (end - begin) / len(at_once)
        return shares

    @property
    def other_stages(self) -> float | None:
        """Seconds in which there were components that do not train."""
        others = [seconds for name, seconds in self.shares.items() if name not in TRAINING]
        return sum(others) if others else None

    @property
    def besides_training(self) -> float | None:
        """Seconds of the whole command in which no component trained: start and end included."""
        training = sum(self.stages.get(name, 0.0) for name in TRAINING)
        return self.wall - training if self.stages else None

    @property
    def start_and_end(self) -> float | None:
        """Seconds of a pipeline's command in which no component ran."""
        return self.wall - sum(self.shares.values()) if self.shares else None


Runs = Mapping[str, Sequence[Run]]
"""By side, in the order of the rounds."""


@dataclass(frozen=True)
class Measured:
    """A comparison, as it is kept in a file.

    Attributes:
        machine: what it was measured on, and with what.
        asked: what all sides were asked to do.
        titles: what tables and charts call the sides.
        runs: what they took.
    """

    machine: dict[str, str | int]
    asked: dict[str, str | int | None]
    titles: dict[str, str]
    runs: dict[str, list[Run]]

    @classmethod
    def read(cls, file: Path) -> "Measured":
        """Reads what `write` wrote.

        Raises:
            OSError: it can't be read.
            pydantic.ValidationError: it is something else.
        """
        return pydantic.TypeAdapter(cls).validate_json(file.read_bytes())

    def write(self, file: Path) -> None:
        """Writes all of it as JSON."""
        file.write_bytes(pydantic.TypeAdapter(Measured).dump_json(self, indent=1))


Measure = Callable[[Run], float | None]


def stage(name: str) -> Measure:
    """The seconds of a component, None where there was none."""
    return lambda run: run.stages.get(name)


@dataclass(frozen=True)
class Ratio:
    """How many times as long one side takes as another."""

    title: str
    side: str
    to: str
    measure: Measure = lambda run: run.wall

    def of(self, runs: Runs, measure: Measure | None = None) -> list[float]:
        """The ratio in each round in which both were measured."""
        measure = measure or self.measure
        pairs = zip(runs.get(self.side, ()), runs.get(self.to, ()), strict=False)
        measured = ((measure(one), measure(other)) for one, other in pairs)
        return [one / other for one, other in measured if one is not None and other]


RATIOS = (
    Ratio("whole run, with everything / textbook", "ours", "textbook"),
    Ratio("whole run, no finder, records ready / textbook", "lean", "textbook"),
    *(
        Ratio(f"{title} / textbook's", "lean", "textbook", measure)
        for title, measure in {
            "components that do not train": lambda run: run.other_stages,
            "the same with start and end": lambda run: run.besides_training,
            nodes.TRANSFORM: stage(nodes.TRANSFORM),
            nodes.TRAINER: stage(nodes.TRAINER),
            nodes.EVALUATOR: stage(nodes.EVALUATOR),
        }.items()
    ),
    *(
        Ratio(f"an epoch, {title} / Keras loop's", side, "keras", lambda run: run.epoch)
        for side, title in {
            "training": "ours",
            "torch": "PyTorch loop",
            "bfloat16": "PyTorch loop, bfloat16",
        }.items()
    ),
    Ratio("nothing changed / `import tensorflow`", "cached", "import"),
    Ratio("command to pushed model, by preset / Keras loop", "preset", "keras"),
)


def tables(measured: Measured) -> str:
    """All tables, in Markdown; the figures are medians over the rounds."""
    parts = (_sides(measured), _stages(measured), _ratios(measured.runs))
    return "\n\n".join("\n".join(lines) for lines in parts if len(lines) > _HEAD)


_HEAD = 2
"""Lines of a table that has nothing in it."""


def _sides(measured: Measured) -> list[str]:
    columns = ["side", "runs", "seconds", "of computing", "peak memory, GB", "an epoch, s"]
    lines = _head([*columns, "test accuracy", "test loss"])
    for side, runs in measured.runs.items():
        # It was broken off before.
        if not runs:
            continue
        cells = [
            _format(_median(run.wall for run in runs), ".1f"),
            _format(_median(run.usage.cpu_s for run in runs), ".1f"),
            _format(_median(run.usage.peak_mb / 1000 for run in runs), ".2f"),
            _format(_median(run.epoch for run in runs), ".2f"),
            _spread([run.accuracy for run in runs]),
            _spread([run.loss for run in runs]),
        ]
        lines.append(_row([measured.titles[side], str(len(runs)), *cells]))
    return lines


def _stages(measured: Measured) -> list[str]:
    sides = [side for side in ("textbook", "lean", "ours", "preset") if measured.runs.get(side)]
    lines = _head(["seconds", *(measured.titles[side] for side in sides)])
    names = dict.fromkeys(
        name for side in reversed(sides) for run in measured.runs[side] for name in run.stages
    )
    for name in names:
        medians = [_median(run.stages.get(name) for run in measured.runs[side]) for side in sides]
        lines.append(_row([name, *(_format(median, ".1f") for median in medians)]))
    if names:
        ends = [_median(run.start_and_end for run in measured.runs[side]) for side in sides]
        lines.append(_row(["start and end", *(_format(end, ".1f") for end in ends)]))
    return lines


def _ratios(runs: Runs) -> list[str]:
    lines = _head(["ratio", "median", "lowest to highest", "of computing"])
    for ratio in RATIOS:
        if found := ratio.of(runs):
            spread = f"{min(found):.2f} to {max(found):.2f}"
            # A component's computing is not told.
            whole = ratio.measure is Ratio.measure
            cpu = ratio.of(runs, lambda run: run.usage.cpu_s) if whole else []
            cells = [f"{statistics.median(found):.2f}", spread, _format(_median(cpu), ".2f")]
            lines.append(_row([ratio.title, *cells]))
    return lines


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _format(value: float | None, form: str) -> str:
    return NOTHING if value is None else format(value, form)


def _spread(values: Iterable[float | None]) -> str:
    """Mean and standard deviation."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return _format(_median(known), ".4f")
    return f"{statistics.mean(known):.4f} ± {statistics.stdev(known):.4f}"


def _head(columns: Sequence[str]) -> list[str]:
    return [_row(columns), "|---" * len(columns) + "|"]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
