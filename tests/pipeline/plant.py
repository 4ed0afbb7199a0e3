"""The whole graph in a root of its own, with stand-ins for what takes long."""

import contextlib
import io
import json
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tfx.dsl.components.base import base_executor, executor_spec

from components import blessings
from components.atomic_pusher import executor as pusher
from components.data_gate.findings import DataRefusedError, Finding, write_findings
from components.model_store.store import Store
from components.report.contents import REPORT_FILE
from components.serving_check import executor as serving_check
from components.serving_check.findings import Findings
from pipeline import graph, local_runner, nodes, workspace
from pipeline.engine import worker
from pipeline.engine.interrupts import Interrupts
from pipeline.runs import outcome, pages
from tests.evaluations import LOW_ACCURACY, evaluation
from tests.pipeline import mill


class StandIn(base_executor.BaseExecutor):
    """Leaves what others look at, where a node would; fails where a file says so."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        made = {key: Path(one.uri) for key, [one] in output_dict.items()}
        # Where TFX puts an artifact: <root>/artifacts/<node>/<key>/<execution>.
        directory = next(iter(made.values()))
        node, root = directory.parents[1].name, directory.parents[3]
        if (root / f"{node}.broken").exists():
            raise RuntimeError("it broke")
        if node == nodes.DATA_GATE:
            self._judge(root, input_dict["examples"][0])
            write_findings(made["blessing"], [])
        elif node == nodes.LEARNING_RATE_FINDER:
            (made["tuner_results"] / "curve.json").write_text("{}")
            (made["tuner_results"] / "learning_rate_finder.png").touch()
        elif node == nodes.TRAINER:
            self._train(made, exec_properties)
        elif node == nodes.EVALUATOR:
            self._evaluate(input_dict, output_dict, exec_properties)
        elif node == nodes.REPORT:
            (made["report"] / REPORT_FILE).touch()

    def _judge(self, root, examples):
        span = examples.get_int_custom_property("span")
        if (root / f"span-{span}.refused").exists():
            raise DataRefusedError([Finding("drift", "stop", "ink", "train", "it is inverted")] * 2)

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
    result: dict = field(repr=False)

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
        self._write_records = write_records
        self.put(1)
        create = graph.create_pipeline
        self.build = lambda *arguments, **options: self._stand_in(create(*arguments, **options))
        monkeypatch.setattr(graph, "create_pipeline", self.build)
        monkeypatch.setattr(pages, "write_report", lambda *_, **__: None)
        monkeypatch.setattr(local_runner, "run_worker", self._work)
        monkeypatch.setattr(pusher, "read_evaluation", read_evaluation)
        # A stand-in for a model has no graph, and is told by its files.
        monkeypatch.setattr(pusher, "model_identity", lambda model: "")
        monkeypatch.setattr(outcome, "read_evaluation", read_evaluation)
        monkeypatch.setattr(outcome, "read_figures", lambda uri: evaluation())
        monkeypatch.setattr(serving_check, "_check", self._check)

    def put(self, span, label=1):
        """Has a span arrive, with one image of a class in each split."""
        for split in ("train", "eval", "test"):
            file = self.data / f"span-{span}" / "version-1" / f"{split}-0.tfrecord.gz"
            self._write_records(file, [label])

    def refuse(self, span):
        """Has the data gate refuse a span from now on."""
        self.root.mkdir(exist_ok=True)
        (self.root / f"span-{span}.refused").touch()

    @staticmethod
    def _stand_in(pipeline):
        for component in pipeline.components:
            if component.id not in (nodes.SERVING_CHECK, nodes.PUSHER, *nodes.RESOLVERS):
                component.executor_spec = executor_spec.ExecutorClassSpec(StandIn)
        return pipeline

    @staticmethod
    def _work(request, surroundings, handle, started):
        surroundings.log.touch()
        try:
            return worker._run(request, handle, Interrupts())
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
            result,
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
