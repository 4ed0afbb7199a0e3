"""Reads what it is asked, and reports; see the package's docstring."""

import gc
import json
import os
import sys

# A program that is a directory finds its modules by their bare names.
from block import Block


def main() -> None:
    """Runs the checks with both loaders."""
    # What libraries print must not mix with the report.
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)

        def emit(message: dict) -> None:
            out.write(json.dumps(message) + "\n")

        surroundings = json.loads(sys.stdin.readline())
        sys.path.extend(surroundings["packages"])
        sys.meta_path.insert(0, Block(surroundings["blocked"]))
        emit({"step": "importing TensorFlow"})
        # All of that is to stay: to look for garbage in it takes a quarter of the time.
        gc.disable()
        from checks import Checks
        from loaders import PythonLoader, ServerLoader

        gc.freeze()
        gc.enable()
        checks = Checks(json.load(sys.stdin), emit)
        # The server's first, whose time to load is measured.
        checks.run([ServerLoader, PythonLoader])
        loaded = sorted(set(surroundings["blocked"]) & set(sys.modules))
        report = {"reasons": checks.reasons, "measures": checks.measures}
        emit({**report, "blocked_but_loaded": loaded})


if __name__ == "__main__":
    main()
