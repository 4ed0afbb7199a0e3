"""A part of the graph comes to what a whole run comes to, or says what it lacks.

The decision is tried for every pair of nodes and each state that the run before can leave.
The execution is tried for each state from the nodes at which the answers differ, by the real
command, graph, runner, Pusher and serving directory; stand-ins train, evaluate and so on.
"""

import functools
import itertools
import re
import shutil

import pytest

from pipeline import nodes
from pipeline.engine import dag_runner, part
from pipeline.errors import UserError
from tests.pipeline.plant import Plant

FROM = (None, *nodes.NODES)
# Where the answers of parts differ; the last evaluates nothing, and takes over what it can.
STARTS = (nodes.EVALUATOR, nodes.PUSHER, nodes.REPORT, nodes.SCHEMA_GEN)
STRICT = ("--set", "evaluation.min_accuracy=0.95")
SMALL = ("--set", "serving.max_size_mb=0.5")
FIXED = ("--set", "learning_rate.source=fixed")


def fail(plant, node, *argv):
    broken = plant.root / f"{node}.broken"
    plant.root.mkdir(exist_ok=True)
    broken.touch()
    assert plant.run(*argv).code == 1
    broken.unlink()


def push_two(plant):
    assert plant.run("--epochs", "3").code == 0
    assert plant.run("--epochs", "5").code == 0


def hold_back(plant):
    push_two(plant)
    plant.store.rollback()
    assert plant.run("--epochs", "5").code == 3


def tamper(plant):
    assert plant.run().code == 0
    (plant.store.find().path / "saved_model.pb").write_text("tampered")


def revert(plant):
    push_two(plant)
    assert plant.run("--epochs", "3").code == 3


def let_go(plant):
    hold_back(plant)
    plant.store.rollback(2)


# What the run before came to, and the flags of the command that follows.
STATES = {
    "no run": (lambda plant: plant.root.mkdir(), ()),
    "pushed": (lambda plant: plant.run(), ()),
    "not blessed": (lambda plant: plant.run(*STRICT), STRICT),
    "worse than the live one": (
        lambda plant: (plant.run("--epochs", "5"), plant.run("--epochs", "3")),
        ("--epochs", "3"),
    ),
    "refused by the check": (lambda plant: plant.run(*SMALL), SMALL),
    "sound now": (lambda plant: plant.run(*SMALL), ()),
    "held back": (hold_back, ("--epochs", "5")),
    "let go since": (let_go, ("--epochs", "5")),
    "reverted": (revert, ("--epochs", "3")),
    "removed since": (lambda plant: (plant.run(), shutil.rmtree(plant.store.find().path)), ()),
    "tampered since": (tamper, ()),
    "pinned since": (lambda plant: (push_two(plant), plant.store.pin(1)), ("--epochs", "5")),
    "rolled back since": (
        lambda plant: (push_two(plant), plant.store.rollback()),
        ("--epochs", "5"),
    ),
    **{
        f"failed in {node}": (functools.partial(fail, node=node), ())
        for node in (nodes.IMPORT_EXAMPLE_GEN, nodes.TRANSFORM, nodes.TRAINER, nodes.EVALUATOR)
    },
    "failed in Report after a push": (
        lambda plant: (plant.run("--epochs", "3"), fail(plant, nodes.REPORT, "--epochs", "5")),
        ("--epochs", "5"),
    ),
    "ended early": (lambda plant: plant.run(to_node=nodes.TRAINER), ()),
    "ended after the Evaluator": (lambda plant: plant.run(to_node=nodes.EVALUATOR), ()),
    "a part": (lambda plant: (plant.run(), plant.run(from_node=nodes.EVALUATOR)), ()),
    "a part of the data": (lambda plant: (plant.run(), plant.run(from_node=nodes.SCHEMA_GEN)), ()),
    "a part that was refused": (
        lambda plant: (plant.run(to_node=nodes.TRAINER), plant.run(from_node=nodes.REPORT)),
        (),
    ),
    "fixed now": (lambda plant: plant.run(), FIXED),
    "found now": (lambda plant: plant.run(*FIXED), ()),
    "trained for longer now": (lambda plant: plant.run("--epochs", "3"), ("--epochs", "5")),
    "stricter now": (lambda plant: plant.run(), STRICT),
    "smaller now": (lambda plant: plant.run(), SMALL),
}


@pytest.fixture(scope="module")
def plants(tmp_path_factory, write_records):
    """Each state in a directory of its own, made once."""
    with pytest.MonkeyPatch.context() as monkeypatch:

        @functools.cache
        def make(state):
            plant = Plant(tmp_path_factory.mktemp("plant"), monkeypatch, write_records)
            STATES[state][0](plant)
            plant.keep()
            return plant

        # The patches are the same for all; the first makes them.
        yield make


@pytest.fixture(params=STATES)
def state(request, plants):
    plant = plants(request.param)
    plant.restore()
    return plant, STATES[request.param][1]


def read_faults(plant, argv):
    """What the runner finds of the run before, and the graph that it would run."""
    found = {}

    def note(graph_, from_node, to_node, faults):
        found.update(graph=dict(graph_), faults=dict(faults))
        raise UserError("Enough.")

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(dag_runner, "decide", note)
        plant.run(*argv, from_node=nodes.REPORT)
    return found["graph"], found["faults"]


def read_advice(sentence):
    """The node from which to start by a refusal, None for the whole; it always says one."""
    found = re.search(r"; (?:start with --from-node (\w+)|leave out --from-node)\.$", sentence)
    return found[1]


def test_every_part_can_run_or_is_told_where_to_start(state):
    plant, argv = state
    whole, faults = read_faults(plant, argv)
    for from_node, to_node in itertools.product((None, *whole), (None, *whole)):
        runs = part.select(whole, from_node, to_node)
        if not runs:
            continue
        try:
            decided = part.decide(whole, from_node, to_node, faults)
        except UserError as error:
            # It raises no error again: the advice is good.
            decided = part.decide(whole, read_advice(str(error)), to_node, faults)
            assert decided.runs > runs
        else:
            assert decided.runs == runs
        for node in decided.runs | decided.takes:
            assert set(whole[node]) <= decided.runs | decided.takes, node
        assert not decided.takes & set(faults)
        if nodes.EVALUATOR in runs:
            assert nodes.BASELINE_RESOLVER in runs


def test_part_comes_to_what_a_whole_run_comes_to_or_says_what_it_lacks(state):
    plant, argv = state
    whole, served = plant.run(*argv), plant.served()
    assert whole.code in (0, 3)
    for asked in STARTS:
        start = asked
        plant.restore()
        before = [path.name for path in plant.place.serving_model_dir.glob("[0-9]*")]
        answer = plant.run(*argv, from_node=start)
        if answer.code == 2:
            assert answer.cause.startswith(f"--from-node {start} ")
            assert set(answer.states.values()) <= {"waiting", "left out"}
            after = [path.name for path in plant.place.serving_model_dir.glob("[0-9]*")]
            assert after == before
            start = read_advice(answer.cause)
            answer = plant.run(*argv, from_node=start)
        if start == nodes.SCHEMA_GEN and answer.verdict["state"] == "open":
            continue
        assert (answer.judged, plant.served()) == (whole.judged, served), start
