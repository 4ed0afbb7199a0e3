"""Runs the pipeline on ever more data: peak memory and CPU seconds of each node, and how they grow.

    python -m benchmarks.memory --scales 1 4 16

Each scale takes the real images so many times, each copy with other pixels, so that no image
repeats another, and runs the whole graph once, for one epoch and one node at a time. What is
printed is taken from the worker process by the kernel: its peak is set back as each node begins.
Then the nodes up to the data gate run anew, side by side: their peak is that of all processes
together, looked at every half a second. `--to-node` ends the first run there.

Everything is written below the temporary directory, and removed afterwards: 16 times the data take
2 GB.
"""

import argparse
import math
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.compare.process import read_cpu, sampling
from benchmarks.real_images import read_splits
from pipeline import config, nodes, workspace
from pipeline.data import writing
from pipeline.data.idx import LabelledImages
from pipeline.data.kinds import OwnRecords
from pipeline.engine.protocol import Event, Finished, NodeEvent, Request, StepEvent
from pipeline.engine.supervisor import Surroundings, run_worker

WHOLE = "whole run"
SIDE_BY_SIDE = "data, side by side"


@dataclass(frozen=True)
class Usage:
    """What a node, or a run, took.

    Attributes:
        peak: resident memory at most, in bytes.
        cpu: seconds of CPU.
    """

    peak: int
    cpu: float


def main() -> None:
    """Runs all scales, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 4], help="times the data")
    parser.add_argument("--to-node", choices=nodes.NODES, metavar="NODE", help="the last to run")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=VALUE")
    arguments = parser.parse_args()
    measured = {}
    for scale in arguments.scales:
        with tempfile.TemporaryDirectory(prefix="memory-") as place:
            write_copies(Path(place, "data"), scale)
            measured[scale] = run(Path(place), arguments.set, arguments.to_node)
        report({scale: measured[scale]})
    if len(measured) > 1:
        report(measured)


def write_copies(directory: Path, scale: int) -> None:
    """Writes the real images so many times as TFRecords, each copy a little different."""
    directory.mkdir()
    splits = read_splits()
    for number in range(scale):
        copies = {f"{name}-{number:03}": mark(split, number) for name, split in splits.items()}
        writing.write(writing.cut(directory, copies))


def mark(split: LabelledImages, number: int) -> LabelledImages:
    """Makes a copy of a split, in whose corner eight pixels tell its number, up to 255."""
    images = split.images.copy()
    images[:, 0, :8] ^= np.unpackbits(np.uint8(number))
    return LabelledImages(images, split.labels)


def run(place: Path, assignments: Sequence[str], to_node: str | None) -> dict[str, Usage]:
    """Runs the graph in a worker process on what was written below a directory.

    Returns:
        What each node took, the whole, and the data nodes side by side.
    """
    meter = Meter()
    alone = [*assignments, "run.side_by_side=false"]
    _run_worker(place, alone, to_node, meter.handle, meter.start)
    peak = max(one.peak for one in meter.usages.values())
    whole = Usage(peak, sum(one.cpu for one in meter.usages.values()))
    side_by_side = _run_side_by_side(place, assignments)
    return {**meter.usages, WHOLE: whole, SIDE_BY_SIDE: side_by_side}


def _run_side_by_side(place: Path, assignments: Sequence[str]) -> Usage:
    with ExitStack() as stack:
        started: list[list[float]] = []
        before = _read_own_children_cpu()
        _run_worker(
            place,
            [*assignments, "run.side_by_side=true"],
            nodes.DATA_GATE,
            lambda event: None,
            lambda process_id: started.append(stack.enter_context(sampling(process_id))),
        )
    [sizes] = started
    return Usage(int(max(sizes)), _read_own_children_cpu() - before)


def _read_own_children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run_worker(
    place: Path,
    assignments: Sequence[str],
    to_node: str | None,
    handle: Callable[[Event], None],
    started: Callable[[int], None],
) -> None:
    flags = {"dataset.pattern": "{SPLIT}-*", "training.epochs": 1, "paths.root": place / "root"}
    settings = config.load_config(assignments=assignments, flags=flags)
    source = OwnRecords(place / "data")
    root = workspace.workspace(settings.paths, source.dataset)
    run_id = f"memory-{to_node}"
    log = root.run_dir(run_id) / "pipeline.log"
    log.parent.mkdir(parents=True)
    request = Request(
        run_id=run_id, config=settings, source=source, from_node=None, to_node=to_node, cache=False
    )
    ended = run_worker(request, Surroundings(log), handle, started)
    if ended.failure:
        sys.exit(f"The run failed: {ended.failure.cause}")


class Meter:
    """Takes from the kernel what a process takes from one event to the next.

    Attributes:
        usages: of each node, and of each step that is none.
    """

    def __init__(self) -> None:
        """Measures nothing until the process is there."""
        self.usages: dict[str, Usage] = {}
        self._doing: str | None = None

    def start(self, process_id: int) -> None:
        """Is told which process it is."""
        self._process = process_id
        self._directory = Path("/proc", str(process_id))
        self._begin("starting")

    def handle(self, event: Event) -> None:
        """Is told what the process does."""
        match event:
            case StepEvent():
                self._begin(event.text)
            case NodeEvent(state="running"):
                self._begin(event.node)
            case NodeEvent() | Finished():
                self._end()

    def _begin(self, doing: str) -> None:
        self._end()
        # Sets the peak back, as proc(5) says.
        (self._directory / "clear_refs").write_text("5")
        self._doing, self._cpu = doing, read_cpu(self._process)

    def _end(self) -> None:
        if self._doing is not None:
            self.usages[self._doing] = Usage(self._read_peak(), read_cpu(self._process) - self._cpu)
        self._doing = None

    def _read_peak(self) -> int:
        status = (self._directory / "status").read_text().splitlines()
        [peak] = [line.split()[1] for line in status if line.startswith("VmHWM")]
        return int(peak) * 1024


def report(measured: Mapping[int, Mapping[str, Usage]]) -> None:
    """Prints what was measured at each scale, and by which power of the data the CPU grew."""
    scales = list(measured)
    print(f"{'peak GB, CPU s':22}" + "".join(f"{f'{scale}x':>16}" for scale in scales), end="")
    print(f"{'exponent':>10}" if len(scales) > 1 else "")
    for name in measured[scales[0]]:
        of_it = [measured[scale][name] for scale in scales]
        cells = "".join(f"{one.peak / 1e9:8.2f}{one.cpu:8.1f}" for one in of_it)
        print(f"{name:22}{cells}{show_exponent(scales, [one.cpu for one in of_it])}", flush=True)


def show_exponent(scales: Sequence[int], seconds: Sequence[float]) -> str:
    """Says how the seconds grow from the smallest scale to the largest; nothing of only one."""
    if len(scales) < 2 or not seconds[0]:
        return ""
    return f"{math.log(seconds[-1] / seconds[0]) / math.log(scales[-1] / scales[0]):10.2f}"


if __name__ == "__main__":
    main()
