"""Measures on what the bounds in schema/images.pbtxt stand, and what TFDV's look at images costs.

    python -m benchmarks.image_schema --root output

Prints ink and brightness of the official and of generated images, and of the official ones
inverted. Then it takes TFDV's statistics of the examples of a run in that root, in one process,
without and with those of semantic domains by turns, and prints the median of the seconds.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import schema
from components import image_measures
from pipeline.config import Dataset
from pipeline.data import sample_images, sources
from pipeline.data.kinds import OriginalSet

_GENERATED = 16_500


def main() -> None:
    """Runs both measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("output"), help="of an earlier run")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print_measures()
    print_costs(arguments.root, arguments.rounds)


def print_measures() -> None:
    """Prints a row for each set of images and each measure."""
    curated = text_format.Parse(schema.IMAGES_FILE.read_text("utf-8"), schema_pb2.Schema())
    bounds = {one.name: one.float_domain for one in curated.feature}
    print("| | lowest | 1 % | median | 99 % | highest | outside |\n|---|---|---|---|---|---|---|")
    for name, images in sets_of_images():
        for measure, values in image_measures.measure(images).items():
            figures = " | ".join(
                f"{one:.3f}" for one in np.quantile(values, [0, 0.01, 0.5, 0.99, 1])
            )
            low, high = bounds[measure].min, bounds[measure].max
            outside = np.mean((values < low) | (values > high))
            print(f"| {measure}, {len(images):,} {name} | {figures} | {outside:.1%} |")


def sets_of_images() -> Iterator[tuple[str, np.ndarray]]:
    """Yields what images they are, and uint8 [N, height, width]."""
    source = sources.find(Dataset(), lambda *_: None)
    if isinstance(source, OriginalSet):
        for name, split in zip(("training", "test"), source.read_original(), strict=True):
            images = np.asarray(split.images)
            yield f"{name} images", images
            yield f"{name} images inverted", 255 - images
    yield "generated images", sample_images.draw(_GENERATED, seed=0)[0]


def print_costs(root: Path, rounds: int) -> None:
    """Prints the seconds and the seconds of computing, without and with semantic domains."""
    splits = sorted(max((root / "artifacts" / "ImportExampleGen" / "examples").iterdir()).iterdir())
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(rounds + 1):
        for semantic, measured in times.items():
            started = time.perf_counter(), time.process_time()
            for split in splits:
                options = tfdv.StatsOptions(enable_semantic_domain_stats=semantic)
                tfdv.generate_statistics_from_tfrecord(f"{split}/*", stats_options=options)
            measured.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    print("\n| semantic domains | seconds | of computing |\n|---|---|---|")
    for semantic, measured in times.items():
        # The first round loads and traces.
        wall, cpu = (statistics.median(one) for one in zip(*measured[1:], strict=True))
        print(f"| {'with' if semantic else 'without'} | {wall:.1f} | {cpu:.1f} |")


if __name__ == "__main__":
    main()
