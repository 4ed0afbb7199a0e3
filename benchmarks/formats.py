"""Exports a pushed version in every format, and asks each all test images.

    python -m benchmarks.formats output/serving/tinyvgg/1

Printed are the size, the accuracy, the largest difference of a probability to the SavedModel's, and
the median latency of batches of 1 and of 64, with its ratio. All sides take turns, in one process,
each with as many threads as its runtime takes by itself.
"""

import argparse
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.loaders import (
    Arrays,
    Key,
    Loader,
    Side,
    ask,
    measure,
    print_table,
    read_test_images,
)
from components.model_formats.export import export
from components.model_formats.formats import FORMATS, INPUT, OUTPUT, missing_packages
from components.serving_check.probe.loaders import PythonLoader
from trainer_module.served import PREDICT_IMAGES


class FormatLoader:
    """A model in another format, as one of the loaders of a SavedModel."""

    def __init__(self, load: Callable, file: Path) -> None:
        """Takes what loads the file."""
        self._answer = load(file)

    def bind(self, name: str, given: Arrays) -> Callable[[], Arrays]:
        """Prepares a call, whatever the name of the signature."""
        return lambda: {OUTPUT: self._answer(given[INPUT])}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=Path, help="the directory of a pushed version")
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    images, labels = read_test_images()
    loaders: dict[Key, Loader] = {
        ("SavedModel", _describe_size(arguments.version)): PythonLoader(str(arguments.version))
    }
    with tempfile.TemporaryDirectory() as directory:
        for name in FORMATS:
            if missing := missing_packages(name):
                print(f"without {name}, for want of {', '.join(missing)}")
                continue
            file = export(arguments.version, name, Path(directory, name), "model", {}).file
            load = importlib.import_module(FORMATS[name].module).load
            loaders[name, _describe_size(file)] = FormatLoader(load, file)
        sides: dict[Key, Side] = {
            key: (loader, PREDICT_IMAGES, INPUT, images) for key, loader in loaders.items()
        }
        answers = {key: ask(*side) for key, side in sides.items()}
        times = measure(sides, arguments.rounds)
    print_table(("format", "size"), answers, labels, times)


def _describe_size(path: Path) -> str:
    files = [one for one in (path, *path.rglob("*")) if one.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e3:,.0f} kB"


if __name__ == "__main__":
    main()
