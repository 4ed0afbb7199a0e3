"""Calls the signatures of a SavedModel as its clients do: arrays in, arrays out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

Values = np.ndarray | Sequence[bytes]
"""What a signature's one input takes, the batch first."""

_BATCH = 512


def load_signature(model: Path, name: str) -> Callable[[Values], dict[str, np.ndarray]]:
    """Loads a model for one of its signatures, which has one input.

    Args:
        model: the SavedModel's directory.
        name: the signature's.

    Returns:
        A function of any number of values, as `call_signature` calls it; a `KeyError` says that
        the model has no such signature.
    """
    loaded = tf.saved_model.load(str(model))
    # By the model, which its signatures do not keep alive.
    return lambda values: call_signature(loaded.signatures[name], values)


def call_signature(
    signature: tf.types.experimental.ConcreteFunction, values: Values
) -> dict[str, np.ndarray]:
    """Calls a signature that has one input, in batches.

    Args:
        signature: of a model that is loaded, and stays so.
        values: at least one: serialized examples, or pixels, as the signature takes them.

    Returns:
        What it answers, by output: [N, …] each.
    """
    [(key, spec)] = signature.structured_input_signature[1].items()
    batches = (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
    answers = [signature(**{key: tf.constant(batch, spec.dtype)}) for batch in batches]
    return {name: np.concatenate([one[name].numpy() for one in answers]) for name in answers[0]}
