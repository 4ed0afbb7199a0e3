"""Finds the mistakes a model is most sure of, through the signature that is served."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from components.image_statistics.reading import read_serialized
from components.report.contents import Mistake, Mistakes
from trainer_module import features, served
from trainer_module.signature_calls import load_signature


def find_mistakes(model: Path, split: Path, count: int) -> Mistakes:
    """Classifies a split and picks what is wrong.

    Args:
        model: the SavedModel's directory.
        split: a directory of gzipped TFRecords of labelled raw examples.
        count: how many mistakes to show at most.

    Returns:
        The mistakes with the highest probability, the highest first.
    """
    pngs, labels, probabilities = _predict(model, split)
    finite = np.isfinite(probabilities).all(axis=1)
    guesses = np.where(finite, probabilities.argmax(axis=1), -1)
    wrong = np.flatnonzero((guesses != labels) & finite)
    sure = probabilities[wrong].max(axis=1, initial=0.0)
    # Stable, so that equals keep the order of the split.
    worst = wrong[np.argsort(-sure, kind="stable")[:count]]
    return Mistakes(
        worst=[
            Mistake(
                png=pngs[index],
                truth=features.CLASS_NAMES[labels[index]],
                guess=features.CLASS_NAMES[guesses[index]],
                probability=float(probabilities[index, guesses[index]]),
                truth_probability=float(probabilities[index, labels[index]]),
            )
            for index in worst
        ],
        count=int((guesses != labels).sum()),
        examples=len(labels),
        not_numbers=int((~finite).sum()),
    )


def _predict(model: Path, split: Path) -> tuple[list[bytes], np.ndarray, np.ndarray]:
    """PNGs, labels int64 [N] and probabilities float32 [N, 10] of a split."""
    spec = {
        features.IMAGE: tf.io.FixedLenFeature([], tf.string),
        features.LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    files = sorted(split.iterdir())
    batches = [batch.numpy() for file in files for batch in read_serialized(str(file))]
    examples = np.concatenate(batches)
    parsed = tf.io.parse_example(examples, spec)
    answers = load_signature(model, served.SERVING_DEFAULT)(examples)
    return (
        parsed[features.IMAGE].numpy().tolist(),
        parsed[features.LABEL].numpy(),
        answers[served.PROBABILITIES],
    )
