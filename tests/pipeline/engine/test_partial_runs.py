"""A part of the graph comes to what a whole run comes to, or says what it lacks.

The decision is tried for every pair of nodes and each state that the run before can leave.
The execution is tried for each state from the nodes at which the answers differ, by the real
command, graph, runner, Pusher and serving directory; stand-ins train, evaluate and so on.
"""

import contextlib
import functools
import io
import itertools
import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tfx.dsl.components.base import base_executor, executor_spec

from components import blessings
from components.atomic_pusher import executor as pusher
from components.model_store.store import Store
from components.report.contents import REPORT_FILE
from components.serving_check import executor as serving_check
from components.serving_check.findings import Findings
from pipeline import fingerprint, graph, local_runner, nodes, workspace
from pipeline.data import records
from pipeline.engine import dag_runner, part, versions, worker
from pipeline.errors import UserError
from pipeline.runs import outcome, pages
from pipeline.runs.metadata import open_store
from tests.evaluations import LOW_ACCURACY, evaluation
from tests.pipeline import mill

FROM = (None, *nodes.NODES)
# Where the answers of parts differ; the last evaluates nothing, and takes over what it can.
STARTS = (nodes.EVALUATOR, nodes.PUSHER, nodes.REPORT, nodes.SCHEMA_GEN)
STRICT = ("--set", "evaluation.min_accuracy=0.95")
SMALL = ("--set", "serving.max_size_mb=0.5")
FIXED = ("--set", "learning_rate.source=fixed")


class StandIn(base_executor.BaseExecutor):
    """Leaves what others look at, where a node would; fails where a file says so."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        made = {key: Path(one.uri) for key, [one] in output_dict.items()}
        # Where TFX puts an artifact: <root>/artifacts/<node>/<key>/<execution>.
        directory = next(iter(made.values()))
        node, root = directory.parents[1].name, directory.parents[3]
        if (root / f"{node}.broken").exists():
            raise RuntimeError("it broke")
        if node == nodes.LEARNING_RATE_FINDER:
            (made["tuner_results"] / "curve.json").write_text("{}")
            (made["tuner_results"] / "learning_rate_finder.png").touch()
        elif node == nodes.TRAINER:
            self._train(made, exec_properties)
        elif node == nodes.EVALUATOR:
            self._evaluate(input_dict, output_dict, exec_properties)
        elif node == nodes.REPORT:
            (made["report"] / REPORT_FILE).touch()

    def _train(self, made, exec_properties):
        config = json.loads(exec_properties["custom_config"])
        for key in ("source", "checkpoints"):
            del config[key]
        serving = made["model"] / "Format-Serving"
        serving.mkdir(parents=True)
        (serving / "saved_model.pb").write_text(json.dumps(config))
        (made["model_run"] / "training.json").write_text(json.dumps(mill.TRAINED))
        (made["model_run"] / "learning_curves.png").touch()

    def _evaluate(self, input_dict, output_dict, exec_properties):
        [model], [blessing] = input_dict["model"], output_dict["blessing"]
        epochs = [_epochs(one.uri) for one in (model, *input_dict.get("baseline_model", ()))]
        # One that was trained for longer is better.
        blessed = "0.95" not in exec_properties["eval_config"] and epochs[0] == max(epochs)
        Path(output_dict["evaluation"][0].uri, "blessed").write_text(str(int(blessed)))
        blessing.set_int_custom_property("blessed", int(blessed))
        blessings.name_model(blessing, model)


def _epochs(uri):
    config = json.loads(Path(uri, "Format-Serving", "saved_model.pb").read_text())
    return config["training"]["epochs"]


def read_evaluation(uri):
    blessed = int(Path(uri, "blessed").read_text())
    return evaluation(*([] if blessed else [LOW_ACCURACY]))


@dataclass(frozen=True)
class Answer:
    code: int
    verdict: dict
    states: dict
    cause: str

    @property
    def judged(self):
        """What a whole run and a part are to have in common."""
        return self.code, self.verdict["state"], tuple(self.verdict["reasons"])


class Plant:
    """A root in which the command runs, with stand-ins for what takes long."""

    def __init__(self, directory: Path, monkeypatch, write_records):
        self.root = directory / "root"
        self.kept = directory / "kept"
        self.data = directory / "data"
        for split in ("train", "eval", "test"):
            write_records(self.data / "span-1" / "version-1" / f"{split}-0.tfrecord.gz", [1])
        create = graph.create_pipeline
        self.build = lambda *arguments: self._stand_in(create(*arguments))
        monkeypatch.setattr(graph, "create_pipeline", self.build)
        monkeypatch.setattr(pages, "write_report", lambda *_, **__: None)
        monkeypatch.setattr(records, "check_first_example", lambda file: None)
        monkeypatch.setattr(local_runner, "run_worker", self._work)
        monkeypatch.setattr(pusher, "read_evaluation", read_evaluation)
        # A stand-in for a model has no graph, and is told by its files.
        monkeypatch.setattr(pusher, "model_identity", lambda model: "")
        monkeypatch.setattr(outcome, "read_evaluation", read_evaluation)
        monkeypatch.setattr(serving_check, "_check", self._check)

    @staticmethod
    def _stand_in(pipeline):
        for component in pipeline.components:
            if component.id not in (nodes.SERVING_CHECK, nodes.PUSHER, nodes.BASELINE_RESOLVER):
                component.executor_spec = executor_spec.ExecutorClassSpec(StandIn)
        return pipeline

    @staticmethod
    def _work(request, log, handle, echo=None):
        log.touch()
        try:
            return worker._run(request, handle)
        finally:
            logging.getLogger("trainer_module.progress_log").handlers.clear()

    @staticmethod
    def _check(model, examples, config):
        return Findings(["it is too large"] if config["max_size_mb"] < 1 else [])

    @property
    def place(self):
        return workspace.Workspace("fashion_mnist", self.root, self.root / "serving")

    @property
    def store(self):
        return Store(self.place.serving_model_dir)

    def run(self, *argv, from_node=None, to_node=None) -> Answer:
        flags = {"--from-node": from_node, "--to-node": to_node}
        given = [word for flag, node in flags.items() if node for word in (flag, node)]
        place = ("--root", str(self.root), "--data-dir", str(self.data))
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = local_runner.main(["--json", *place, *argv, *given])
        result = json.loads(out.getvalue())
        assert result["exit_code"] == code
        return Answer(
            code,
            result["verdict"],
            {node: one["state"] for node, one in result["components"].items()},
            result["failure"]["cause"] if result["failure"] else "",
        )

    def served(self) -> str | None:
        """The model in service, if there is one."""
        live = [version.path for version in self.store.versions() if version.live]
        return (live[0] / "saved_model.pb").read_text() if live else None

    def keep(self):
        shutil.copytree(self.root, self.kept, dirs_exist_ok=True)

    def restore(self):
        """Back to what was kept, in the same place: the books have absolute paths."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.kept, self.root)


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


@pytest.fixture
def pushed(plants):
    plant = plants("pushed")
    plant.restore()
    return plant


@pytest.mark.parametrize(
    ("argv", "start", "cause"),
    [
        (
            ("--set", "training.seed=7", "--epochs", "9"),
            nodes.EVALUATOR,
            "--from-node Evaluator needs what LearningRateFinder makes: training.seed = 7, where "
            "the run before had 0; and what Trainer makes: training.epochs = 9, where the run "
            "before had 25; start with --from-node LearningRateFinder.",
        ),
        (
            FIXED,
            nodes.EVALUATOR,
            '--from-node Evaluator needs what Trainer makes: learning_rate.source = "fixed", where '
            'the run before had "finder"; start with --from-node Trainer.',
        ),
        (
            STRICT,
            nodes.PUSHER,
            "--from-node Pusher needs what Evaluator makes: evaluation.min_accuracy = 0.95, where "
            "the run before had 0.85; start with --from-node Evaluator.",
        ),
        (
            SMALL,
            nodes.PUSHER,
            "--from-node Pusher needs what ServingCheck makes: serving.max_size_mb = 0.5, where "
            "the run before had 20.0; start with --from-node ServingCheck.",
        ),
    ],
)
def test_settings_that_a_part_can_not_apply_are_refused_by_name(pushed, argv, start, cause):
    answer = pushed.run(*argv, from_node=start)
    assert (answer.code, answer.cause) == (2, cause)


@pytest.mark.parametrize("start", [nodes.EVALUATOR, nodes.PUSHER, nodes.REPORT])
def test_other_data_under_what_a_part_takes_over_is_refused_by_name(pushed, write_records, start):
    elsewhere = pushed.root.parent / "elsewhere"
    for split in ("train", "eval", "test"):
        write_records(elsewhere / "span-1" / "version-1" / f"{split}-0.tfrecord.gz", [1])
    answer = pushed.run("--data-dir", str(elsewhere), from_node=start)
    assert answer.code == 2
    told = f'dataset.dir = "{elsewhere}", where the run before had "{pushed.data}"'
    assert f"needs what ImportExampleGen makes: {told}; " in answer.cause


@pytest.mark.parametrize("start", [nodes.TRAINER, nodes.PUSHER])
def test_edited_schema_under_what_a_part_takes_over_is_refused_by_name(pushed, monkeypatch, start):
    monkeypatch.setattr(graph, "sha256", lambda file: "edited")
    answer = pushed.run(from_node=start)
    assert answer.code == 2
    assert 'ImportSchemaGen makes: the schema\'s SHA-256 = "edited", where' in answer.cause


def test_part_goes_by_what_earlier_code_made(pushed, monkeypatch):
    edited = {node: f"edited {node}" for node in nodes.CODE}
    monkeypatch.setattr(fingerprint, "fingerprints", lambda versions: edited)
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert answer.code == 0
    assert answer.states[nodes.TRAINER] == "left out"
    # What it runs itself, it runs anew.
    assert answer.states[nodes.EVALUATOR] == "done"


def test_part_goes_by_what_an_earlier_version_of_this_project_recorded(pushed):
    """It had no `source` and no `sha256` of their own, and the former within other parameters."""
    store = open_store(pushed.place.metadata)
    executions = store.get_executions()
    for execution in executions:
        recorded = execution.custom_properties
        for name in ("source", "sha256"):
            if name in recorded:
                del recorded[name]
        if "custom_config" in recorded:
            config = json.loads(recorded["custom_config"].string_value) or {}
            config.pop("dataset", None)
            recorded["custom_config"].string_value = json.dumps({**config, "source": "0123"})
    store.put_executions(executions)
    del store
    answer = pushed.run(from_node=nodes.EVALUATOR)
    assert (answer.code, answer.cause) == (0, "")


def test_upgraded_library_runs_anew_unless_the_cache_is_to_be_kept_which_is_told(
    pushed, monkeypatch
):
    cached = {nodes.TRANSFORM: "cached", nodes.TRAINER: "cached", nodes.EVALUATOR: "cached"}
    installed = {name: "1" for code in nodes.CODE.values() for name in code.libraries}

    def run(*argv):
        answer = pushed.run(*argv)
        assert answer.code == 0
        return {node: answer.states[node] for node in cached}

    monkeypatch.setattr(versions, "installed_versions", lambda: dict(installed))
    run()
    assert run() == cached
    installed["keras"] = "2"
    assert run("--keep-cache-across-versions") == cached
    [result] = [
        one for one in pushed.root.glob("runs/*/result.json") if "as asked" in one.read_text()
    ]
    assert "keras 1 (now 2)" in result.read_text()
    assert run() == {**cached, nodes.TRAINER: "done", nodes.EVALUATOR: "done"}
