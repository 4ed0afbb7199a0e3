"""Runs the Beam stages on this machine and on an engine, on ever more data, and clocks each stage.

    python -m benchmarks.engines --scales 1 4 --workers 1 2 --prism localhost:8073

The data are those of `benchmarks.memory`: the real images so many times. One run makes all that the
stages need, with a single epoch; then all of these run anew in every way. Seconds by
the clock go with what else the machine does, whose load is printed; those of CPU are of the run's
own processes, and of the job server if it is on this machine and `--server PID` names it. On an
engine, ImportExampleGen and Evaluator have the trial of the engine in them, as both begin a run.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.process import read_cpu
from benchmarks.memory import write_copies
from pipeline import config, nodes, workspace
from pipeline.data.kinds import OwnRecords
from pipeline.engine.protocol import Event, NodeEvent, Request
from pipeline.engine.supervisor import Surroundings, run_worker

STAGES = (
    nodes.IMPORT_EXAMPLE_GEN,
    nodes.STATISTICS_GEN,
    nodes.IMAGE_STATISTICS,
    nodes.TRANSFORM,
    nodes.EVALUATOR,
)
_PARTS = {
    "model": (nodes.EVALUATOR, nodes.EVALUATOR),
    "data": (nodes.IMPORT_EXAMPLE_GEN, nodes.TRANSFORM),
}
"""The first and the last node of the runs that all ways have."""


@dataclass(frozen=True)
class Way:
    """Where the stages run, and the settings that say so."""

    name: str
    settings: Sequence[str] = ()

    def slug(self, part: str) -> str:
        """What a run of it is called."""
        return f"{self.name}-{part}".replace(",", "").replace(" ", "-")


@dataclass(frozen=True)
class Taken:
    """What a stage took: seconds by the clock, and of CPU."""

    clock: float
    cpu: float


def main() -> None:
    """Runs all scales in all ways, and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 4], help="times the data")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="of local runs")
    parser.add_argument("--prism", metavar="HOST:PORT", help="where Prism runs")
    parser.add_argument("--server", type=int, metavar="PID", help="Prism's process, for its CPU")
    arguments = parser.parse_args()
    print(f"{'seconds, CPU s':24}" + "".join(f"{stage:>20}" for stage in STAGES), flush=True)
    for scale in arguments.scales:
        with tempfile.TemporaryDirectory(prefix="engines-") as place:
            write_copies(Path(place, "data"), scale)
            bench = _Bench(Path(place), arguments.server)
            bench.run(Way("local"), "all", None, nodes.EVALUATOR)
            ways = list(_ways(arguments.workers, arguments.prism))
            # First, as what runs anew before the Trainer is not what it has learnt from.
            measured = [
                [bench.run(way, way.slug(part), *ends) for way in ways]
                for part, ends in _PARTS.items()
            ]
            for way, *taken in zip(ways, *measured, strict=True):
                report(scale, way, dict(ChainMap(*taken)))


def _ways(workers: Sequence[int], prism: str | None) -> Iterator[Way]:
    for count in workers:
        yield Way(f"local, {count} worker{'s' * (count > 1)}", [f"engine.workers={count}"])
    if prism:
        yield Way("prism, loopback", ["engine.name=prism", f"engine.address={prism}"])


class _Bench:
    """A root, and the records beside it."""

    def __init__(self, place: Path, server: int | None) -> None:
        """Takes what has the records, and the job server's process."""
        self._place = place
        self._server = server

    def run(self, way: Way, run_id: str, first: str | None, last: str) -> dict[str, Taken]:
        """Runs the nodes from the first to the last, and clocks each."""
        flags = {
            "dataset.pattern": "{SPLIT}-*",
            "training.epochs": 1,
            "learning_rate.source": "fixed",
            # So that each is charged with what it takes.
            "run.side_by_side": False,
            "paths.root": self._place / "root",
        }
        settings = config.load_config(assignments=way.settings, flags=flags)
        source = OwnRecords(self._place / "data")
        root = workspace.workspace(settings.paths, source.dataset)
        log = root.run_dir(run_id) / workspace.LOG_FILE
        log.parent.mkdir(parents=True)
        request = Request(
            run_id=run_id,
            config=settings,
            source=source,
            from_node=first,
            to_node=last,
            cache=False,
        )
        clock = _Clock(self._server)
        ended = run_worker(request, Surroundings(log), clock.handle, clock.start)
        if ended.failure:
            sys.exit(f"{way.name}: {ended.failure.node} failed: {ended.failure.cause}")
        return clock.taken


class _Clock:
    """Takes the time of each node, and from the kernel what CPU its processes took.

    Attributes:
        taken: by node.
    """

    def __init__(self, server: int | None) -> None:
        """Takes the job server's process."""
        self.taken: dict[str, Taken] = {}
        self._processes = [server] if server else []

    def start(self, process_id: int) -> None:
        """Is told which process it is."""
        self._processes.append(process_id)

    def handle(self, event: Event) -> None:
        """Is told what the process does."""
        match event:
            case NodeEvent(state="running"):
                self._began = Taken(time.monotonic(), self._read_cpu())
            case NodeEvent(node=node, state="done"):
                self.taken[node] = Taken(
                    time.monotonic() - self._began.clock, self._read_cpu() - self._began.cpu
                )

    def _read_cpu(self) -> float:
        return sum(map(read_cpu, self._processes))


def report(scale: int, way: Way, taken: Mapping[str, Taken]) -> None:
    """Prints what each stage took, and the load of the machine over the last five minutes."""
    cells = "".join(f"{taken[one].clock:12.1f}{taken[one].cpu:8.1f}" for one in STAGES)
    print(f"{scale:>2}x {way.name:21}{cells}   load {os.getloadavg()[1]:.1f}", flush=True)


if __name__ == "__main__":
    main()
