"""What a person sees while a run goes on: a live table, or lines where there is no terminal."""

import time
from collections.abc import Collection, Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline.engine.protocol import (
    DataEvent,
    Event,
    NodeEvent,
    RangeTestEvent,
    StepEvent,
    TrainingEvent,
)
from pipeline.nodes import NODES, OF_SPANS
from pipeline.runs.run_result import NodeResult, NodeState

_MARKS: Mapping[NodeState, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "done": ("✔", "green"),
    "cached": ("✔", "blue"),
    "skipped": ("–", "yellow"),
    "left out": ("–", "dim"),
    "failed": ("✘", "red"),
    "interrupted": ("✘", "yellow"),
}


_WITHOUT_TIME: Collection[NodeState] = ("waiting", "cached", "skipped", "left out")


class NodeClock:
    """Follows the nodes' states and times them."""

    def __init__(self) -> None:
        """Starts with the nodes of every graph waiting; those of spans come when they run."""
        always = [node for node in NODES if node not in OF_SPANS]
        self._states: dict[str, NodeState] = dict.fromkeys(always, "waiting")
        self._seconds = dict.fromkeys(NODES, 0.0)
        self._notes = dict.fromkeys(NODES, "")
        self._started: dict[str, float] = {}

    def handle(self, event: NodeEvent) -> None:
        """Takes in that a node started or ended."""
        if event.state == "running":
            self._started[event.node] = time.monotonic()
        else:
            self._stop(event.node)
        self._states[event.node] = event.state
        self._notes[event.node] = event.note

    def abort(self, state: NodeState) -> None:
        """Ends the node that is running, if one is."""
        for node in [node for node, now in self._states.items() if now == "running"]:
            self._stop(node)
            self._states[node] = state

    def results(self) -> dict[str, NodeResult]:
        """State and seconds of every node so far."""
        return {
            node: NodeResult(
                state=state, seconds=round(self._elapsed(node), 2), note=self._notes[node]
            )
            for node, state in sorted(self._states.items(), key=lambda one: NODES.index(one[0]))
        }

    def _stop(self, node: str) -> None:
        if node in self._started:
            self._seconds[node] = time.monotonic() - self._started.pop(node)

    def _elapsed(self, node: str) -> float:
        started = self._started.get(node)
        return self._seconds[node] if started is None else time.monotonic() - started


def make_display(console: Console, clock: NodeClock, *, live: bool) -> "LiveDisplay | PlainDisplay":
    """Returns a display that redraws itself, or one that prints lines."""
    return LiveDisplay(console, clock) if live else PlainDisplay(console, clock)


class PlainDisplay:
    """A line for each thing that happens, for logs and pipes."""

    def __init__(self, console: Console, clock: NodeClock) -> None:
        """Prints to the console what the clock measured."""
        self._console = console
        self._clock = clock

    def __enter__(self) -> "PlainDisplay":
        """Needs no preparation."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Needs no cleaning up."""

    def handle(self, event: Event) -> None:
        """Prints a line; of the training, one an epoch."""
        match event:
            case StepEvent():
                self._print(f"{event.text} …")
            case DataEvent():
                self._print(describe_data(event))
            case NodeEvent(state="running"):
                self._print(f"{event.node}: running")
            case NodeEvent():
                result = self._clock.results()[event.node]
                self._print(f"{event.node}: {_describe_node(result)}")
            case TrainingEvent(val_loss=float()):
                self._print(f"  {_describe_epoch(event)}  {_describe_figures(event)}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


class LiveDisplay:
    """A table of the nodes that redraws itself, with a bar while the Trainer works."""

    def __init__(self, console: Console, clock: NodeClock) -> None:
        """Draws on the console what the clock follows."""
        self._clock = clock
        self._step: str | None = "starting"
        self._spinner = Spinner("dots")
        self._training: TrainingEvent | None = None
        self._range_test: RangeTestEvent | None = None
        self._console = console
        self._live = Live(self, console=console, refresh_per_second=8)

    def __enter__(self) -> "LiveDisplay":
        """Starts to redraw."""
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leaves the last state on the screen."""
        self._step = self._training = self._range_test = None
        self._live.stop()

    def handle(self, event: Event) -> None:
        """Takes the event into the next redraw."""
        match event:
            case StepEvent():
                self._step = event.text
            case DataEvent():
                self._console.print(describe_data(event), highlight=False)
            case NodeEvent():
                self._step = self._training = self._range_test = None
            case RangeTestEvent():
                self._range_test = event
            case TrainingEvent(val_loss=None) if self._training:
                # The figures on eval stay on the screen until the next epoch's.
                figures = {"val_loss", "val_accuracy"}
                self._training = event.model_copy(update=self._training.model_dump(include=figures))
            case TrainingEvent():
                self._training = event

    def __rich__(self) -> Group:
        """Draws the table as of now."""
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column()
        table.add_column(justify="right")
        table.add_column()
        for node, result in self._clock.results().items():
            mark, style = _MARKS[result.state]
            seconds = "" if result.state in _WITHOUT_TIME else _format_seconds(result.seconds)
            table.add_row(Text(mark, style), Text(node, style), seconds, self._detail(result))
        # Below the table, where there is room for it on a terminal of 80 columns.
        activity = self._activity()
        if activity:
            self._spinner.update(text=f" {activity}")
            return Group(table, self._spinner)
        return Group(table)

    def _activity(self) -> str | None:
        if self._training:
            return _describe_figures(self._training)
        if self._range_test:
            return f"rate {self._range_test.rate:.1e}  loss {self._range_test.loss:.3f}"
        return self._step

    def _detail(self, result: NodeResult) -> Table | Text:
        if result.state == "running" and self._training:
            training = self._training
            done = (training.epoch - 1) * training.steps + training.step
            return _bar(done, training.epochs * training.steps, _describe_epoch(training))
        if result.state == "running" and self._range_test:
            test = self._range_test
            return _bar(test.point, test.points, f"rate {test.point}/{test.points}")
        if result.state in ("waiting", "running", "done"):
            return Text()
        return Text(_describe_state(result), "dim")


def _bar(done: int, total: int, text: str) -> Table:
    bar = Table.grid(padding=(0, 2))
    bar.add_row(ProgressBar(total, done, width=20), text)
    return bar


def describe_data(event: DataEvent) -> str:
    """Says how many examples each split has."""
    return "examples: " + ", ".join(f"{count:,} {split}" for split, count in event.examples.items())


def _describe_state(result: NodeResult) -> str:
    return f"{result.note}: {result.state}" if result.note else result.state


def _describe_node(result: NodeResult) -> str:
    if result.state in _WITHOUT_TIME:
        return _describe_state(result)
    return f"{result.state} after {_format_seconds(result.seconds)}"


def _describe_epoch(event: TrainingEvent) -> str:
    return f"epoch {event.epoch}/{event.epochs}"


def _describe_figures(event: TrainingEvent) -> str:
    figures = f"loss {event.loss:.3f}  accuracy {event.accuracy:.3f}"
    if event.val_loss is not None:
        figures += f"  eval loss {event.val_loss:.3f}  accuracy {event.val_accuracy:.3f}"
    return figures


def _format_seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
