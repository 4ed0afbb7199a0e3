"""The sides: what each runs, and how what it says is read."""

import datetime
import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.compare import process
from benchmarks.compare.figures import Interval, Run
from pipeline import nodes
from pipeline.config import Config
from trainer_module import features

ANY_MODEL = Path(__file__).with_name("any_model.toml")
"""Settings with which no model is refused."""

_NO_FINDER = ("--set", "learning_rate.source=fixed")


@dataclass(frozen=True)
class Records:
    """TFRecords of the dataset, with the number of examples in each split."""

    directory: Path
    examples: Mapping[str, int]


@dataclass(frozen=True)
class Job:
    """What the sides are asked to do.

    Attributes:
        data_dir: has the official files.
        scratch: for everything that the sides write.
        epochs: of a whole run.
        training_epochs: of those that only train; the first of them is not counted.
        max_examples: of each split; None for all.
        torch: the interpreter that has PyTorch.
        preset: of the side `preset`.
    """

    data_dir: Path
    scratch: Path
    epochs: int
    training_epochs: int
    max_examples: int | None
    torch: str
    preset: str | None = None

    @property
    def data_flags(self) -> list[str]:
        """The flags by which the pipeline's commands find the data."""
        flags = ["--dataset", features.DATASET.name, "--data-dir", str(self.data_dir)]
        most = self.max_examples
        return [*flags, "--set", f"dataset.max_examples={most}"] if most else flags

    @cached_property
    def records(self) -> Records:
        """The data as records, which are made when they are first asked for."""
        command = [sys.executable, "-m", "pipeline.dataset", "prepare", "--json"]
        command += ["--root", str(self.scratch / "prepared"), *self.data_flags]
        answer = json.loads(process.run(command)[0])
        counts = {name: sum(split.values()) for name, split in answer["examples"].items()}
        return Records(Path(answer["directory"]), counts)

    def fresh_root(self, name: str) -> Path:
        """A directory for one run, without what an earlier one left."""
        root = self.scratch / name
        shutil.rmtree(root, ignore_errors=True)
        return root


@dataclass(frozen=True)
class Side:
    """One way to do it.

    Attributes:
        title: what tables and charts call it.
        measure: does it once, with a random seed.
        after: the side in whose root it goes on, if it does.
        find_obstacle: says why it can't be had here, where that is so.
    """

    title: str
    measure: Callable[[Job, int], Run]
    after: str | None = None
    find_obstacle: Callable[[Job], str | None] = lambda job: None


def _ours(job: Job, root: Path, seed: int, *flags: str) -> Run:
    command = [sys.executable, "-m", "pipeline.local_runner", "--json", "--root", str(root)]
    command += [*job.data_flags, "--set", f"training.seed={seed}", *flags]
    began = time.time()
    said, usage = process.run(command)
    result = json.loads(said)
    overall = result["evaluation"]["overall"] if result["evaluation"] else {}
    return Run(
        usage,
        intervals=read_intervals(root / "metadata.db", since=began),
        epochs_s=read_epochs(Path(result["log"]).read_text(encoding="utf-8")),
        accuracy=overall.get("accuracy"),
        loss=overall.get("loss"),
    )


def read_epochs(log: str) -> list[float]:
    """Finds in the log of a run the seconds of each epoch but the first, validation included."""
    # That which has figures on `eval` is an epoch's last.
    line = re.compile(r"^([\d-]+ [\d:,]+) .*'kind': 'training'.*'val_loss'", re.MULTILINE)
    ends = [datetime.datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f") for at in line.findall(log)]
    return [(end - start).total_seconds() for start, end in itertools.pairwise(ends)]


def _settings(epochs: int) -> list[str]:
    return ["--config", str(ANY_MODEL), "--epochs", str(epochs)]


def _run_everything(job: Job, seed: int) -> Run:
    return _ours(job, job.fresh_root("everything"), seed, *_settings(job.epochs))


def _run_again(job: Job, seed: int) -> Run:
    return _ours(job, job.scratch / "everything", seed, *_settings(job.epochs))


def _run_lean(job: Job, seed: int) -> Run:
    records, root = job.records.directory, job.fresh_root("lean")
    shutil.copytree(records, root / "records" / records.name, copy_function=os.link)
    return _ours(job, root, seed, *_settings(job.epochs), *_NO_FINDER)


def _run_training(job: Job, seed: int) -> Run:
    flags = [*_settings(job.training_epochs), *_NO_FINDER, "--to-node", nodes.TRAINER]
    return _ours(job, job.scratch / "lean", seed, *flags)


def _run_preset(job: Job, seed: int) -> Run:
    return _ours(job, job.fresh_root("preset"), seed, "--config", str(job.preset))


def _run_textbook(job: Job, seed: int) -> Run:
    records, root = job.records, job.fresh_root("textbook")
    files = next(records.directory.rglob("train-*")).parent
    command = [sys.executable, "-m", "benchmarks.compare.textbook", "--records", str(files)]
    command += ["--root", str(root), "--epochs", str(job.epochs), *_batch_size()]
    for split in ("train", "eval"):
        command += [f"--{split}", str(records.examples[split])]
    _, usage = process.run(command)
    if not any((root / "serving").glob("*")):
        raise process.FailedError("the textbook pipeline pushed nothing")
    return Run(usage, intervals=read_intervals(root / "metadata.db"))


def read_intervals(metadata: Path, since: float = 0.0) -> list[Interval]:
    """Reads from ML Metadata's SQLite when components ran that made something.

    Args:
        metadata: its file.
        since: those that began earlier are left out, in seconds since the epoch.
    """
    query = (
        "SELECT Context.name, Execution.create_time_since_epoch, "
        "Execution.last_update_time_since_epoch FROM Execution "
        "JOIN Association ON execution_id = Execution.id JOIN Context ON Context.id = context_id "
        "JOIN Type ON Type.id = Context.type_id WHERE Type.name = 'node' "
        "AND last_known_state = ? AND Execution.create_time_since_epoch >= ?"
    )
    with closing(sqlite3.connect(metadata)) as connection:
        rows = connection.execute(query, (_COMPLETE, since * 1000)).fetchall()
    return [
        Interval(name.rpartition(".")[2], began / 1000, ended / 1000) for name, began, ended in rows
    ]


_COMPLETE = 3
"""ML Metadata's `Execution.State` of what ran to its end."""


def _batch_size() -> list[str]:
    return ["--batch-size", str(Config().training.batch_size)]


def _run_loop(job: Job, python: str, name: str, epochs: int, seed: int, *flags: str) -> Run:
    command = [python, "-m", f"benchmarks.compare.loops.{name}", "--data-dir", str(job.data_dir)]
    command += ["--epochs", str(epochs), "--seed", str(seed), *_batch_size(), *flags]
    if job.max_examples:
        command += ["--max-examples", str(job.max_examples)]
    said, usage = process.run(command)
    result = json.loads(said)
    # In the first everything is traced, or compiled.
    result["epochs_s"] = result["epochs_s"][1:]
    return Run(usage, **result)


def _run_keras(job: Job, seed: int) -> Run:
    return _run_loop(job, sys.executable, "keras_loop", job.training_epochs, seed)


def _run_torch(job: Job, seed: int) -> Run:
    return _run_loop(job, job.torch, "torch_loop", job.training_epochs, seed)


def _run_bfloat16(job: Job, seed: int) -> Run:
    flags = ("--precision", "bfloat16")
    return _run_loop(job, job.torch, "torch_loop", job.training_epochs, seed, *flags)


def _find_torch_obstacle(job: Job) -> str | None:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    missing = subprocess.run([job.torch, "-c", look], check=False).returncode
    return f"PyTorch is not installed for {job.torch}" if missing else None


def _import_tensorflow(job: Job, seed: int) -> Run:
    return Run(process.run([sys.executable, "-c", "import tensorflow"])[1])


SIDES = {
    "textbook": Side("textbook pipeline", _run_textbook),
    "ours": Side("ours, with everything", _run_everything),
    "lean": Side("ours, no finder, records ready", _run_lean),
    "cached": Side("ours again, nothing changed", _run_again, after="ours"),
    "import": Side("`import tensorflow`", _import_tensorflow),
    "keras": Side("Keras loop", _run_keras),
    "training": Side("ours, up to the Trainer", _run_training, after="lean"),
    "torch": Side("PyTorch loop", _run_torch, find_obstacle=_find_torch_obstacle),
    "bfloat16": Side("PyTorch loop, bfloat16", _run_bfloat16, find_obstacle=_find_torch_obstacle),
    "preset": Side("ours, by preset", _run_preset),
}
"""By the names of `--only`, in the order in which they take turns."""
