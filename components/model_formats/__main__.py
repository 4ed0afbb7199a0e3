"""Converts a version, and asks the result: run as a program, by `export`.

It reads one JSON object from standard input and writes another to standard output, with what was
measured or with the `error`. A converter that fails may take the process with it.
"""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np

from components import quiet


def main() -> None:
    """Does what is asked for."""
    # What libraries print must not mix with the report.
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        # What is said last is the cause, if a converter takes the process with it.
        quiet.silence_tensorflow()
        request = json.load(sys.stdin)
        try:
            report = _convert(Path(request["version"]), request["module"], Path(request["file"]))
        # Another's model and another's converter may fail in any way.
        except Exception as error:
            text = str(error).strip().partition("\n")[0]
            report = {"error": text or type(error).__name__}
        json.dump(report, out)


def _convert(version: Path, module_name: str, file: Path) -> dict[str, object]:
    from components.model_formats.source import make_ramp, read_source

    module = importlib.import_module(module_name)
    source = read_source(version)
    module.write(source, file)
    images = source.images if len(source.images) else make_ramp()[np.newaxis]
    wanted, found = source.answer(images), module.load(file)(images)
    return {
        "images": len(images),
        "same": int((found.argmax(axis=1) == wanted.argmax(axis=1)).sum()),
        "difference": float(np.abs(found - wanted).max()),
    }


if __name__ == "__main__":
    main()
