"""Trains each configuration with several seeds, by the pipeline itself, and tabulates them.

    python -m benchmarks.experiments              # what is not yet in experiments.jsonl
    python -m benchmarks.experiments tiny wide    # these alone
    python -m benchmarks.experiments --table      # only print the table

Configurations are compared by their figures on `eval`; those on `test` are for the record.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.config import PROJECT_DIRECTORY
from trainer_module import features

PRESETS = PROJECT_DIRECTORY / "pipeline" / "presets"
RECORD = Path(__file__).with_suffix(".jsonl")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Experiment:
    """A configuration: a preset, what is set on top of it, and how far to run it."""

    preset: str
    settings: tuple[str, ...] = ()
    last_node: str | None = None


_ONCE = "training.flip_averaging=false"


def _shorter(*settings: str) -> Experiment:
    """The default with other settings, over ten epochs and at one rate, to compare them."""
    common = ("training.epochs=10", "learning_rate.source=fixed", "learning_rate.peak=8e-3")
    return Experiment("tiny", (_ONCE, *common, *settings), last_node="Trainer")


EXPERIMENTS = {
    "original": Experiment("original"),
    "tiny": Experiment("tiny"),
    "fast": Experiment("fast"),
    "wide": Experiment("wide"),
    "tiny, no flip averaging": Experiment("tiny", (_ONCE,)),
    "fast, 16 epochs, no flip averaging": Experiment("fast", (_ONCE, "training.epochs=16")),
    "wide, 32 and 64 filters, 25 epochs, no flip averaging": Experiment(
        "wide", (_ONCE, "model.filters=[32, 64]", "training.epochs=25")
    ),
    "10 epochs": _shorter(),
    "10 epochs, no augmentation": _shorter("augmentation.flip=false", "augmentation.shift=0"),
    "10 epochs, erasing 0.3": _shorter("augmentation.erase=0.3"),
}


def main() -> None:
    """Runs the experiments named, each with every seed, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--root", default="output/experiments", help="where the runs are kept")
    parser.add_argument("--table", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"there is no experiment {', '.join(unknown)}")
    # By seed first, so that a broken-off series has something to say of every experiment.
    for seed in () if arguments.table else SEEDS:
        for name in arguments.names or EXPERIMENTS:
            if not any(row["experiment"] == name and row["seed"] == seed for row in read()):
                row = measure(name, seed, arguments.root)
                with RECORD.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(tabulate(read()))


def measure(name: str, seed: int, root: str) -> dict[str, object]:
    """Runs the pipeline once; returns the row for the record."""
    experiment = EXPERIMENTS[name]
    command = [sys.executable, "-m", "pipeline.local_runner", "--json", "--root", root]
    command += [
        "--dataset",
        features.DATASET.name,
        "--config",
        str(PRESETS / f"{experiment.preset}.toml"),
    ]
    for setting in (*experiment.settings, f"training.seed={seed}"):
        command += ["--set", setting]
    if experiment.last_node:
        command += ["--to-node", experiment.last_node]
    print(" ".join(command), file=sys.stderr)
    start = time.monotonic()
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(ended.stdout)
    if result["failure"]:
        sys.exit(f"{name}, seed {seed}: {result['failure']['cause']}")
    overall = result["evaluation"]["overall"] if result["evaluation"] else {}
    return {
        "experiment": name,
        **asdict(experiment),
        "seed": seed,
        **result["training"],
        "test_accuracy": overall.get("accuracy"),
        "test_loss": overall.get("loss"),
        "trainer_minutes": result["components"]["Trainer"]["seconds"] / 60,
        "minutes": (time.monotonic() - start) / 60,
    }


def read() -> list[dict]:
    """Reads the record."""
    return [json.loads(line) for line in RECORD.read_text().splitlines()] if RECORD.exists() else []


def tabulate(rows: Iterable[Mapping]) -> str:
    """Makes a table in Markdown: mean and standard deviation over the seeds."""
    lines = [
        "| experiment | seeds | parameters | rate | eval accuracy | eval loss | test accuracy "
        "| test loss |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = list(rows)
    for name in EXPERIMENTS:
        runs = [row for row in rows if row["experiment"] == name]
        if runs:
            cells = [name, str(len(runs)), f"{runs[0]['parameters']:,}"]
            cells.append(f"{statistics.mean(run['learning_rate'] for run in runs):.1e}")
            keys = ("eval_accuracy", "eval_loss", "test_accuracy", "test_loss")
            cells.extend(_spread([run[key] for run in runs]) for key in keys)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "–"
    if len(known) == 1:
        return f"{known[0]:.4f}"
    return f"{statistics.mean(known):.4f} ± {statistics.stdev(known):.4f}"


if __name__ == "__main__":
    main()
