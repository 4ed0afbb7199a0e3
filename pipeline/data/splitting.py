"""Draws examples from labelled images so that each class keeps its share."""

from collections.abc import Mapping

import numpy as np

from pipeline import config
from pipeline.data.idx import LabelledImages
from pipeline.errors import UserError

Splits = Mapping[str, LabelledImages]
"""Labelled images by the name of their split."""


def set_aside_eval(train: LabelledImages, settings: config.Dataset) -> Splits:
    """Splits the original training set into `train`, shuffled, and `eval`, stratified.

    Raises:
        UserError: nothing would be left to train on.
    """
    if settings.eval_examples >= len(train.labels):
        raise UserError(
            f"dataset.eval_examples = {settings.eval_examples} leaves nothing to train on: it "
            f"should be less than {len(train.labels)}."
        )
    rest, evaluation = set_aside(train, settings.eval_examples, settings.seed)
    return {"train": rest, "eval": evaluation}


def set_aside(
    split: LabelledImages, count: int, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Draws so many examples, stratified; returns the rest, shuffled, and what was drawn."""
    random = np.random.default_rng(seed)
    drawn = _stratified(split.labels, count, random)
    rest = random.permutation(np.setdiff1d(np.arange(len(split.labels)), drawn))
    return _take(split, rest), _take(split, drawn)


def limit(splits: Splits, settings: config.Dataset) -> Splits:
    """Leaves at most `max_examples` in each split, stratified; all of them if it is None."""
    if settings.max_examples is None:
        return splits
    random = np.random.default_rng(settings.seed)
    return {
        name: _take(split, _stratified(split.labels, settings.max_examples, random))
        for name, split in splits.items()
    }


def _take(split: LabelledImages, indices: np.ndarray) -> LabelledImages:
    return LabelledImages(split.images[indices], split.labels[indices])


def _stratified(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draws indices so that each class keeps its share: int64 [min(count, N)]."""
    count = min(count, len(labels))
    shuffled = random.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced over the classes laid side by side.
    positions = (np.arange(count) + 0.5) * len(labels) / count
    return random.permutation(by_class[positions.astype(np.int64)])
