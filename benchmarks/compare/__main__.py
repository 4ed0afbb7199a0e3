"""Measures this pipeline beside what people write instead of it, in one session.

    python -m benchmarks.compare                          # all sides, three rounds
    python -m benchmarks.compare --rounds 1 --only ours textbook
    python -m benchmarks.compare --preset tiny --seeds 0 1 2

The sides take turns, each as a process of its own: the pipeline with everything on, without the
learning-rate finder and with the records ready, and again with nothing changed; the pipeline that
TFX's own examples make of the same task; the same training by Keras on arrays, and by PyTorch
where there is one. With --preset, the time from the command to the pushed model is measured
instead, over seeds, against the loop of Keras with as many epochs as the default has.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compare import figures, process
from benchmarks.compare.figures import Measured
from benchmarks.compare.sides import SIDES, Job
from pipeline import config
from pipeline.data import sources
from pipeline.data.kinds import OfficialFiles
from pipeline.errors import UserError
from pipeline.screen.arguments import whole_number
from trainer_module import features
from trainer_module.code_version import find_code_version

_PRESET = ("preset", "keras")
"""The sides of a comparison by preset; the usual one has all but the first."""

_ASKED = ("epochs", "training_epochs", "max_examples", "preset")
"""What of a job is kept with what was measured."""


def main() -> None:
    """Measures, or reads what was measured, and prints the tables."""
    parsed = _parse()
    # As Ctrl-C: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    measured = Measured.read(parsed.read) if parsed.read else _measure(parsed)
    print(figures.tables(measured))
    if parsed.chart:
        # Not before the sides have run, whose memory is measured.
        from benchmarks.compare.chart import draw

        draw(measured, parsed.chart)


def _measure(parsed: argparse.Namespace) -> Measured:
    """Runs the sides in turn; a file has what they took as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="compare-", dir=parsed.scratch) as scratch:
        try:
            job = _make_job(parsed, Path(scratch))
            sides = {side: SIDES[side] for side in _choose(parsed, job)}
            measured = Measured(
                machine=_describe_machine(),
                asked={name: getattr(job, name) for name in _ASKED},
                titles={name: side.title for name, side in sides.items()},
                runs={name: [] for name in sides},
            )
            seeds = parsed.seeds if parsed.preset else [0] * parsed.rounds
            for number, seed in enumerate(seeds, start=1):
                for name, side in sides.items():
                    _say(f"round {number} of {len(seeds)}: {side.title}")
                    measured.runs[name].append(side.measure(job, seed))
                    if parsed.json:
                        measured.write(parsed.json)
        except (UserError, process.FailedError) as error:
            sys.exit(str(error))
    return measured


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _make_job(parsed: argparse.Namespace, scratch: Path) -> Job:
    wanted = config.Dataset(name=features.DATASET.name, dir=parsed.data_dir)
    source = sources.find(wanted, lambda *_: None)
    if not isinstance(source, OfficialFiles):
        raise UserError(f"This wants the official files, and not {source.origin}.")
    default = config.Training().epochs
    return Job(
        data_dir=source.directory.resolve(),
        scratch=scratch,
        epochs=parsed.epochs,
        training_epochs=default if parsed.preset else parsed.training_epochs,
        max_examples=parsed.max_examples,
        torch=parsed.python,
        preset=parsed.preset,
    )


def _choose(parsed: argparse.Namespace, job: Job) -> list[str]:
    """The sides in their order, with those that others go on from, and without obstacles."""
    usual = _PRESET if parsed.preset else SIDES.keys() - {"preset"}
    wanted = set(parsed.only or usual)
    if "preset" in wanted and not parsed.preset:
        raise UserError("The side `preset` needs --preset.")
    wanted |= {SIDES[side].after for side in wanted} - {None}
    chosen = []
    for side in SIDES:
        if side in wanted:
            if obstacle := SIDES[side].find_obstacle(job):
                _say(f"{SIDES[side].title}: left out, as {obstacle}")
            else:
                chosen.append(side)
    return chosen


def _describe_machine() -> dict[str, str | int]:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = (line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    code = find_code_version()
    return {
        "date": datetime.date.today().isoformat(),
        "processor": next(models, platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("tfx", "tensorflow", "keras")},
        "commit": code.commit if code else "",
    }


def _parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="Sides: " + "; ".join(f"{name}: {side.title}" for name, side in SIDES.items()),
    )
    add = parser.add_argument
    add("--rounds", type=whole_number, default=3, metavar="N", help="of all sides (default: 3)")
    add("--only", nargs="+", choices=SIDES, default=[], metavar="SIDE", help="these alone")
    add("--epochs", type=whole_number, default=1, metavar="N", help="of a whole run (default: 1)")
    add(
        "--training-epochs",
        type=whole_number,
        default=3,
        metavar="N",
        help="where an epoch is timed, of which the first does not count (default: 3)",
    )
    add("--max-examples", type=whole_number, metavar="N", help="of each split, for quick trials")
    add("--preset", metavar="NAME", help="time this preset, from command to pushed model")
    add("--seeds", type=int, nargs="+", default=[0], metavar="N", help="of --preset (default: 0)")
    add("--data-dir", type=Path, metavar="DIR", help="has the official files")
    add("--python", default=sys.executable, metavar="FILE", help="the interpreter with PyTorch")
    add("--scratch", type=Path, metavar="DIR", help="for what the sides write (default: $TMPDIR)")
    add("--json", type=Path, metavar="FILE", help="write all that was measured")
    add("--read", type=Path, metavar="FILE", help="measure nothing, and read such a file")
    add("--chart", type=Path, metavar="FILE", help="draw it, as PNG or SVG")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
