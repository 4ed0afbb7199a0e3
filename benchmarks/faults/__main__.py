"""Breaks runs in many ways, starts each again, and says what becomes of it.

    python -m benchmarks.faults [--only NAME] [--tries N] [--days-loop N]

Each try has a root of its own, most a copy of one in which a model is served: there a run of the
smoke preset, at a fixed learning rate, meets a fault while it trains another model. Then the same
command is started again. It has survived if it ends as undisturbed, and all that is served is
whole; what was left behind is looked for after that.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.faults.cases import cases
from benchmarks.faults.trial import HEAD, Bench, Case, HopelessError, measure
from pipeline.screen.arguments import whole_number


def main() -> int:
    """Prints the table; returns 1 if not all is as if nothing had happened."""
    parsed = _parse()
    chosen = _choose(parsed)
    if parsed.list:
        print("\n".join(chosen))
        return 0
    with tempfile.TemporaryDirectory(prefix="faults-", dir=parsed.scratch) as scratch:
        bench = Bench(Path(scratch), _flags(parsed), parsed.limit)
        try:
            bench.prepare()
        except HopelessError as error:
            sys.exit(str(error))
        return 0 if _print_rows(bench, chosen, parsed) else 1


def _choose(parsed: argparse.Namespace) -> dict[str, Case]:
    parts = [part.lower() for part in parsed.only] or [""]
    found = cases(parsed.days_loop)
    chosen = {name: found[name] for name in found if any(part in name.lower() for part in parts)}
    if not chosen:
        sys.exit(f"There is no fault {' or '.join(parsed.only)}: --list names all.")
    return chosen


def _flags(parsed: argparse.Namespace) -> list[str]:
    settings = ['learning_rate.source="fixed"', f"training.epochs={parsed.epochs}", *parsed.set]
    return ["--config", "smoke", *(part for one in settings for part in ("--set", one))]


def _print_rows(bench: Bench, chosen: Mapping[str, Case], parsed: argparse.Namespace) -> bool:
    well = True
    if not parsed.json:
        print(HEAD, flush=True)
    for row in measure(bench, chosen, parsed.tries, parsed.seed):
        well = well and all(trial.well for trial in row.trials)
        print(json.dumps(dataclasses.asdict(row)) if parsed.json else row.to_markdown(), flush=True)
    return well


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="faults with this in their name; again for more",
    )
    add("--list", action="store_true", help="name the faults, and try none")
    add("--tries", type=whole_number, default=1, metavar="N", help="of each (default: 1)")
    add("--seed", type=int, default=0, metavar="N", help="decides on the moments (default: 0)")
    add("--days-loop", type=whole_number, default=0, metavar="N", help="also N runs in one root")
    add("--epochs", type=whole_number, default=1, metavar="N", help="of each run (default: 1)")
    add("--set", action="append", default=[], metavar="GROUP.KEY=VALUE", help="as the command")
    add("--limit", type=float, default=600.0, metavar="S", help="seconds of a run (default: 600)")
    add("--scratch", type=Path, metavar="DIR", help="where the roots are (default: $TMPDIR)")
    add("--json", action="store_true", help="print an object a row instead of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
