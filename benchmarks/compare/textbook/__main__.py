"""Runs the textbook pipeline: `python -m benchmarks.compare.textbook`."""

import argparse
from pathlib import Path

from tfx import v1 as tfx

from benchmarks.compare.textbook.pipeline import create_pipeline


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    for name in ("train", "eval", "batch-size", "epochs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = vars(parser.parse_args())
    splits = {name: f"{name}-*" for name in ("train", "eval", "test")}
    pipeline = create_pipeline(given.pop("root"), given.pop("records"), splits, given)
    tfx.orchestration.LocalDagRunner().run(pipeline)


if __name__ == "__main__":
    main()
