"""Four spans to see what becomes of new data: good, shifted, inverted, and corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data import records, writing
from pipeline.data.idx import LabelledImages
from pipeline.data.splitting import Splits
from pipeline.errors import UserError
from trainer_module import features

TAKEN, INCOMING = "spans", "incoming"
"""Directories: of the spans that have arrived, the first alone, and of those to be moved there."""

SIZES: Mapping[str, int] = {"train": 2000, "eval": 500, "test": 1000}
"""Examples in each span, by split: a training of three epochs takes seconds."""

_FAVOURED = features.CLASS_NAMES[-1]
_FAVOURED_SHARE = 0.4

_WRONG = 10
"""Of so many labels of a class that is easily confused, one is wrong in the first span."""


@dataclass(frozen=True)
class DemoSpan:
    """A span of the demonstration.

    Attributes:
        number: of the span.
        text: what is in it, a phrase.
        splits: its examples.
    """

    number: int
    text: str
    splits: Splits


def make(splits: Splits) -> list[DemoSpan]:
    """Makes the spans; no image is in two of them, but for the last, which corrects the first.

    Args:
        splits: `train`, `eval` and `test` to draw from.

    Raises:
        UserError: they have too few images of a class.
    """
    even = dict.fromkeys(features.CLASS_NAMES, 1 / features.NUM_CLASSES)
    rest = (1 - _FAVOURED_SHARE) / (features.NUM_CLASSES - 1)
    shifted = {**dict.fromkeys(features.CLASS_NAMES, rest), _FAVOURED: _FAVOURED_SHARE}
    right, mixed, bright = _draw_sets(splits, [even, shifted, even])
    train = right["train"]
    wrong = {**right, "train": LabelledImages(train.images, _confuse(train.labels))}
    inverted = {
        name: LabelledImages(255 - split.images, split.labels) for name, split in bright.items()
    }
    return [
        DemoSpan(1, "ordinary data, of which some training labels are wrong", wrong),
        DemoSpan(2, f"{_FAVOURED_SHARE:.0%} of the images are of the class {_FAVOURED}", mixed),
        DemoSpan(3, "inverted images, dark on white", inverted),
        DemoSpan(4, "the images of span 1, with their labels corrected", right),
    ]


def _draw_sets(splits: Splits, shares: Sequence[Mapping[str, float]]) -> list[Splits]:
    drawn = {name: _draw(split, SIZES[name], shares) for name, split in splits.items()}
    return [dict(zip(drawn, of_set, strict=True)) for of_set in zip(*drawn.values(), strict=True)]


def _draw(
    split: LabelledImages, size: int, shares: Sequence[Mapping[str, float]]
) -> list[LabelledImages]:
    """Draws sets of so many examples, which have no image in common, by the shares of classes."""
    random = np.random.default_rng(0)
    left = [
        random.permutation(np.flatnonzero(split.labels == label)).tolist()
        for label in range(features.NUM_CLASSES)
    ]
    drawn = []
    for of_class in shares:
        indices = []
        for label, name in enumerate(features.CLASS_NAMES):
            count = round(size * of_class[name])
            if len(left[label]) < count:
                raise UserError(
                    f"There are too few images of {name} for four spans: name data that has more "
                    "with --data-dir."
                )
            indices += [left[label].pop() for _ in range(count)]
        order = random.permutation(indices)
        drawn.append(LabelledImages(split.images[order], split.labels[order]))
    return drawn


def _confuse(labels: np.ndarray) -> np.ndarray:
    """Gives some examples the label of a class that is easily taken for theirs."""
    alike = [features.CLASS_NAMES.index(name) for name in features.DATASET.confused]
    alike = alike or list(range(features.NUM_CLASSES))
    changed = labels.copy()
    for label, other in zip(alike, [*alike[1:], alike[0]], strict=True):
        changed[np.flatnonzero(labels == label)[::_WRONG]] = other
    return changed


def write(directory: Path, spans: Sequence[DemoSpan]) -> None:
    """Writes the first span as one that has arrived, and the others as incoming ones.

    Args:
        directory: appears with the last step; it must not exist, or be empty.
        spans: what `make` made.

    Raises:
        UserError: it can't be written, or is not empty.
        LostProcessError: a process died that wrote.
    """
    records.check_empty(directory)
    with records.appearing(directory, "as DIR") as temporary:
        for span in spans:
            place = temporary / (TAKEN if span.number == 1 else INCOMING)
            version = place / f"span-{span.number}" / "version-1"
            version.mkdir(parents=True)
            writing.write(writing.cut(version, span.splits))
