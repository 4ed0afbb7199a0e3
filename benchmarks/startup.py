"""Times a run in which all comes from the cache, against the import of TensorFlow alone.

    python -m benchmarks.startup

Both take turns, each in fresh processes, after a smoke run that fills a temporary root. Printed are
the medians of their times and of the seconds of computing, and the medians of the ratios within the
same round.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from components.programs import module_program

RUN, IMPORT = "a cached run", "import tensorflow"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as root:
        flags = ["--config", "smoke", "--root", root, "--json"]
        run = [*module_program("pipeline.local_runner"), *flags]
        # The second compares with what the first one pushed, which the others do as well.
        for _ in range(2):
            call(run)
        programs = {RUN: run, IMPORT: [sys.executable, "-c", "import tensorflow"]}
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, program in programs.items():
                measured[name].append(measure(program))
        check_cached(run)
    print(f"{'seconds':20}{'time':>8}{'computing':>12}")
    for name, values in measured.items():
        times, computing = (statistics.median(one) for one in zip(*values, strict=True))
        print(f"{name:20}{times:8.2f}{computing:12.2f}")
    pairs = zip(measured[RUN], measured[IMPORT], strict=True)
    ratios = [[a / b for a, b in zip(*pair, strict=True)] for pair in pairs]
    times, computing = (statistics.median(one) for one in zip(*ratios, strict=True))
    print(f"{'ratio':20}{times:8.2f}{computing:12.2f}")


def call(program: Sequence[str]) -> str:
    """Runs a program, and returns what it printed."""
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout


def measure(program: Sequence[str]) -> tuple[float, float]:
    """Returns the seconds that a program took, and those of computing by all its processes."""
    start, computed = time.perf_counter(), computing()
    call(program)
    return time.perf_counter() - start, computing() - computed


def computing() -> float:
    """Returns the seconds of computing of all processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check_cached(run: Sequence[str]) -> None:
    """Ends the program where a run still had something to do."""
    components = json.loads(call(run))["components"]
    busy = [name for name, one in components.items() if one["state"] == "done"]
    # It is a resolver, which is never cached.
    if busy != ["BaselineResolver"]:
        sys.exit(f"These were not cached: {', '.join(busy)}.")


if __name__ == "__main__":
    main()
