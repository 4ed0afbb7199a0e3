import io
import math
from types import SimpleNamespace

import pytest
from rich.console import Console

from pipeline.engine.protocol import (
    DataEvent,
    Finished,
    NodeEvent,
    RangeTestEvent,
    StepEvent,
    TrainingEvent,
)
from pipeline.nodes import DRIFT_VALIDATOR, NODES, OF_SPANS, SPAN_WINDOW
from pipeline.runs.run_result import NodeResult
from pipeline.screen import progress
from pipeline.screen.progress import LiveDisplay, NodeClock, PlainDisplay, make_display


@pytest.fixture
def now(monkeypatch):
    """Lets a test set the time."""
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def clock(now):
    return NodeClock()


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


@pytest.fixture
def plain(console, clock):
    return PlainDisplay(console, clock)


@pytest.fixture
def live(console, clock):
    return LiveDisplay(console, clock)


def node(name: str, state: str) -> NodeEvent:
    return NodeEvent(node=name, state=state)


def training(step: int, epoch: int = 1, **figures: float) -> TrainingEvent:
    figures = {"loss": 0.5, "accuracy": 0.8, **figures}
    return TrainingEvent(epoch=epoch, epochs=2, step=step, steps=10, **figures)


def screen(console: Console) -> str:
    return console.file.getvalue()


ALWAYS = [one for one in NODES if one not in OF_SPANS]


class TestNodeClock:
    def test_every_node_waits_at_first_in_the_order_of_the_graph(self, clock):
        assert list(clock.results()) == ALWAYS
        assert set(clock.results().values()) == {NodeResult(state="waiting", seconds=0.0)}

    def test_a_node_of_spans_has_its_place_once_it_runs(self, clock):
        clock.handle(node(SPAN_WINDOW, "running"))
        clock.handle(node(DRIFT_VALIDATOR, "cached"))
        there = {*ALWAYS, SPAN_WINDOW, DRIFT_VALIDATOR}
        assert list(clock.results()) == [one for one in NODES if one in there]

    def test_a_running_nodes_time_goes_on(self, clock, now):
        clock.handle(node("Trainer", "running"))
        now[0] += 1.5
        assert clock.results()["Trainer"] == NodeResult(state="running", seconds=1.5)
        now[0] += 1
        assert clock.results()["Trainer"].seconds == 2.5

    @pytest.mark.parametrize("state", ["done", "failed"])
    def test_a_nodes_time_stands_still_once_it_ended(self, clock, now, state):
        clock.handle(node("Trainer", "running"))
        now[0] += 1.234
        clock.handle(node("Trainer", state))
        now[0] += 50
        assert clock.results()["Trainer"] == NodeResult(state=state, seconds=1.23)

    @pytest.mark.parametrize("state", ["cached", "skipped", "left out"])
    def test_a_node_that_did_not_run_took_no_time(self, clock, now, state):
        now[0] += 5
        clock.handle(node("Trainer", state))
        assert clock.results()["Trainer"] == NodeResult(state=state, seconds=0.0)

    def test_a_node_that_turns_out_to_be_cached_keeps_the_time_of_looking(self, clock, now):
        clock.handle(node("Trainer", "running"))
        now[0] += 0.25
        clock.handle(node("Trainer", "cached"))
        assert clock.results()["Trainer"] == NodeResult(state="cached", seconds=0.25)

    @pytest.mark.parametrize("state", ["failed", "interrupted"])
    def test_abort_ends_the_running_node_alone(self, clock, now, state):
        clock.handle(node("Transform", "running"))
        clock.handle(node("Transform", "done"))
        clock.handle(node("Trainer", "running"))
        now[0] += 3
        clock.abort(state)
        now[0] += 50
        results = clock.results()
        assert results["Trainer"] == NodeResult(state=state, seconds=3.0)
        assert results["Transform"].state == "done"
        assert results["Pusher"].state == "waiting"

    def test_abort_changes_nothing_where_no_node_runs(self, clock):
        clock.handle(node("Trainer", "done"))
        before = clock.results()
        clock.abort("failed")
        assert clock.results() == before


def test_a_screen_gets_the_live_display_and_a_pipe_gets_lines(console, clock):
    assert isinstance(make_display(console, clock, live=True), LiveDisplay)
    assert isinstance(make_display(console, clock, live=False), PlainDisplay)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StepEvent(text="loading TFX"), "loading TFX …"),
        (
            DataEvent(examples={"train": 55_000, "eval": 5000, "test": 10_000}),
            "examples: 55,000 train, 5,000 eval, 10,000 test",
        ),
        (node("Trainer", "running"), "Trainer: running"),
        (node("Trainer", "cached"), "Trainer: cached"),
        (node("Trainer", "left out"), "Trainer: left out"),
        (
            NodeEvent(node="Pusher", state="skipped", note="not blessed"),
            "Pusher: not blessed: skipped",
        ),
        (
            training(10, val_loss=0.25, val_accuracy=0.9),
            "  epoch 1/2  loss 0.500  accuracy 0.800  eval loss 0.250  accuracy 0.900",
        ),
        (
            training(10, loss=math.nan, accuracy=0.1, val_loss=math.nan, val_accuracy=0.1),
            "  epoch 1/2  loss nan  accuracy 0.100  eval loss nan  accuracy 0.100",
        ),
    ],
)
def test_plain_display_prints_a_line_an_event(plain, clock, console, event, line):
    if isinstance(event, NodeEvent):
        clock.handle(event)
    with plain:
        plain.handle(event)
    assert screen(console) == line + "\n"


@pytest.mark.parametrize("event", [training(3), Finished()])
def test_plain_display_is_silent_on_steps_within_an_epoch_and_at_the_end(plain, console, event):
    plain.handle(event)
    assert screen(console) == ""


@pytest.mark.parametrize(
    ("state", "seconds", "line"),
    [
        ("done", 1.25, "Trainer: done after 1.2 s\n"),
        ("failed", 59.0, "Trainer: failed after 59.0 s\n"),
        ("done", 65.0, "Trainer: done after 1:05 min\n"),
        ("done", 3725.9, "Trainer: done after 62:05 min\n"),
    ],
)
def test_plain_display_says_how_long_a_node_took(plain, clock, now, console, state, seconds, line):
    clock.handle(node("Trainer", "running"))
    now[0] += seconds
    clock.handle(node("Trainer", state))
    plain.handle(node("Trainer", state))
    assert screen(console) == line


def test_plain_lines_are_not_wrapped(clock):
    console = Console(file=io.StringIO(), width=20)
    PlainDisplay(console, clock).handle(training(10, val_loss=0.25, val_accuracy=0.9))
    assert screen(console).count("\n") == 1


def drawn(live: LiveDisplay, console: Console) -> dict[str, str]:
    """What is drawn now: the rest of the line by its node; other lines under their text."""
    with console.capture() as capture:
        console.print(live)
    rows = {}
    for line in capture.get().splitlines():
        name = next((name for name in NODES if f" {name} " in f"{line} "), line.strip())
        rows[name] = " ".join(line.split())
    return rows


def test_live_display_draws_every_node_in_the_order_of_the_graph(live, console):
    rows = drawn(live, console)
    assert list(rows)[: len(ALWAYS)] == ALWAYS
    assert rows["Trainer"] == "· Trainer"


@pytest.mark.parametrize(
    ("state", "row"),
    [
        ("done", "✔ Trainer 2.5 s"),
        ("failed", "✘ Trainer 2.5 s failed"),
        ("interrupted", "✘ Trainer 2.5 s interrupted"),
        ("cached", "✔ Trainer cached"),
        ("left out", "– Trainer left out"),
        ("skipped", "– Trainer skipped"),
        ("running", "▶ Trainer 2.5 s"),
    ],
)
def test_live_display_draws_a_nodes_state_and_time(live, clock, now, console, state, row):
    clock.handle(node("Trainer", "running"))
    now[0] += 2.5
    clock.handle(node("Trainer", state))
    if state == "running":
        # The second event started it anew.
        now[0] += 2.5
    assert drawn(live, console)["Trainer"] == row


def test_live_display_says_what_goes_on_before_the_first_node(live, console):
    assert any("starting" in row for row in drawn(live, console))
    live.handle(StepEvent(text="loading TFX"))
    rows = drawn(live, console)
    assert any("loading TFX" in row for row in rows)
    assert not any("starting" in row for row in rows)
    live.handle(node("Trainer", "running"))
    assert not any("loading TFX" in row for row in drawn(live, console))


@pytest.fixture
def trainer(live, clock):
    """The Trainer has started."""
    clock.handle(node("Trainer", "running"))
    live.handle(node("Trainer", "running"))


@pytest.mark.usefixtures("trainer")
@pytest.mark.parametrize(
    ("epoch", "step", "filled"), [(1, 0, 0), (1, 5, 5), (2, 0, 10), (2, 10, 20)]
)
def test_training_bar_grows_with_steps_and_epochs(live, console, epoch, step, filled):
    live.handle(training(step, epoch))
    row = drawn(live, console)["Trainer"]
    assert row.count("━") == filled
    assert row.endswith(f"epoch {epoch}/2")


@pytest.mark.usefixtures("trainer")
def test_training_bar_stands_beside_the_trainer_alone(live, console):
    live.handle(training(5))
    rows = drawn(live, console)
    assert [name for name, row in rows.items() if "epoch" in row] == ["Trainer"]


def figures(live: LiveDisplay, console: Console) -> str:
    [line] = [row for row in drawn(live, console).values() if "loss" in row]
    return line[line.index("loss") :]


@pytest.mark.usefixtures("trainer")
def test_figures_of_the_training_are_those_of_its_latest_step(live, console):
    live.handle(training(5))
    assert figures(live, console) == "loss 0.500 accuracy 0.800"
    live.handle(training(6, loss=0.25, accuracy=0.9))
    assert figures(live, console) == "loss 0.250 accuracy 0.900"


@pytest.mark.usefixtures("trainer")
def test_figures_on_eval_stay_until_the_next_epochs(live, console):
    live.handle(training(10, val_loss=0.25, val_accuracy=0.9))
    live.handle(training(1, epoch=2, loss=0.4))
    assert figures(live, console) == ("loss 0.400 accuracy 0.800 eval loss 0.250 accuracy 0.900")
    live.handle(training(10, epoch=2, val_loss=0.125, val_accuracy=0.95))
    assert figures(live, console).endswith("eval loss 0.125 accuracy 0.950")


@pytest.mark.usefixtures("trainer")
def test_a_training_fits_on_a_terminal_of_80_columns(live, now):
    now[0] += 754
    live.handle(training(10, val_loss=0.25, val_accuracy=0.9))
    wide, narrow = (Console(file=io.StringIO(), width=width) for width in (200, 80))
    for console in (wide, narrow):
        console.print(live)
    lines = [[line.rstrip() for line in screen(console).splitlines()] for console in (wide, narrow)]
    assert lines[0] == lines[1]


@pytest.mark.usefixtures("trainer")
def test_training_bar_and_figures_go_when_the_trainer_ended(live, clock, console):
    live.handle(training(10))
    clock.handle(node("Trainer", "done"))
    live.handle(node("Trainer", "done"))
    clock.handle(node("Evaluator", "running"))
    live.handle(node("Evaluator", "running"))
    rows = drawn(live, console).values()
    assert not any("loss" in row or "epoch" in row for row in rows)


def test_live_display_says_how_many_examples_there_are(live, console):
    live.handle(DataEvent(examples={"train": 55_000}))
    assert "examples: 55,000 train" in screen(console)


def test_live_display_leaves_the_last_state_on_the_screen(clock, now):
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    with LiveDisplay(console, clock) as live:
        clock.handle(node("Trainer", "running"))
        live.handle(node("Trainer", "running"))
        live.handle(StepEvent(text="loading TFX"))
        live.handle(training(5))
        now[0] += 2.5
        clock.abort("interrupted")
    last = screen(console)[-2000:].rpartition("· ImportExampleGen")[2]
    assert "✘  Trainer" in last
    assert "2.5 s" in last
    assert "interrupted" in last
    assert "loading TFX" not in last
    assert "loss" not in last


def test_range_test_has_a_bar_beside_the_finder_and_its_figures_below(live, console):
    live.handle(node("LearningRateFinder", "running"))
    live._clock.handle(node("LearningRateFinder", "running"))
    live.handle(RangeTestEvent(point=100, points=400, rate=0.0012, loss=0.75))
    rows = drawn(live, console)
    assert rows["LearningRateFinder"].endswith("rate 100/400")
    assert any("rate 1.2e-03 loss 0.750" in row for row in rows.values())


def test_bar_and_figures_of_the_range_test_go_when_the_finder_ended(live, console):
    live.handle(RangeTestEvent(point=100, points=400, rate=0.0012, loss=0.75))
    live.handle(node("LearningRateFinder", "done"))
    assert not any("rate" in row for row in drawn(live, console).values())


def test_plain_display_is_silent_on_the_points_of_a_range_test(plain, console):
    plain.handle(RangeTestEvent(point=100, points=400, rate=0.0012, loss=0.75))
    assert screen(console) == ""
