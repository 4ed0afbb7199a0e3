"""A root as a run leaves it: books, artifacts, a run's directory."""

from pathlib import Path

import pytest

from pipeline import nodes
from pipeline.workspace import Workspace


@pytest.fixture
def place(tmp_path) -> Workspace:
    root = tmp_path / "root"
    root.mkdir()
    return Workspace("fashion_mnist", root, root / "serving")


@pytest.fixture
def begun(place, record_run) -> Workspace:
    """One whose run came to the Trainer, where it was killed."""
    states = {nodes.TRANSFORM: "COMPLETE", nodes.TRAINER: "RUNNING", nodes.EVALUATOR: "NEW"}
    record_run(place.metadata, "r1", states)
    for number, node in enumerate(states, 1):
        write(place.artifacts / node / "model" / str(number) / "half")
        write(place.artifacts / node / ".system" / "executor_execution" / str(number) / "state")
    write(place.run_dir("r1") / "pipeline.log")
    write(place.run_dir("r1") / "tmp" / "__autograph_generated_file.py")
    write(place.run_dir("r1") / ".result.json.new")
    write(place.root / ".index.html.new")
    return place


def write(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
