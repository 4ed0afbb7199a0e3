"""What the loops share: their flags, the arrays, and how they say what they took.

Of others' code it needs NumPy alone, so that a loop runs wherever its framework is.
"""

import argparse
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer_module.features import IMAGE_SIZE

EVAL_EXAMPLES = 5_000
"""Those at the end of the official training set are validated on."""


@dataclass(frozen=True)
class Arrays:
    """Images float32 [N, 28, 28] in [0, 1] and labels int64 [N], by split."""

    train: tuple[np.ndarray, np.ndarray]
    eval: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def parse(description: str) -> argparse.Namespace:
    """Reads the flags: `data_dir`, `max_examples`, `epochs`, `batch_size`, `seed`, `precision`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data-dir", type=Path, required=True, help="of the official files")
    parser.add_argument("--max-examples", type=int, help="of each split")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    return parser.parse_args()


def read(directory: Path, most: int | None) -> Arrays:
    """Reads the official files.

    Args:
        directory: where they are, as they are published.
        most: examples of each split; None for all.
    """
    images, labels = _read_pair(directory, "train")
    test = _read_pair(directory, "t10k")
    return Arrays(
        train=(images[:-EVAL_EXAMPLES][:most], labels[:-EVAL_EXAMPLES][:most]),
        eval=(images[-EVAL_EXAMPLES:][:most], labels[-EVAL_EXAMPLES:][:most]),
        test=(test[0][:most], test[1][:most]),
    )


def _read_pair(directory: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(directory / f"{name}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    with gzip.open(directory / f"{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype(np.float32) / 255, labels.astype(np.int64)


def tell(epochs_s: Sequence[float], accuracy: float, loss: float) -> None:
    """Prints an object with what the training came to.

    Args:
        epochs_s: the seconds of each epoch, validation included.
        accuracy: on `test`.
        loss: on `test`, in nats.
    """
    print(json.dumps({"epochs_s": [*epochs_s], "accuracy": accuracy, "loss": loss}))
