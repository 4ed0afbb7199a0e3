"""LiteRT, which was TensorFlow Lite: float32, for phones and small computers."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.model_formats.formats import INPUT, OUTPUT
from components.model_formats.source import IMAGES, Source
from trainer_module.served import PREDICT_IMAGES


def write(source: Source, file: Path) -> None:
    """Writes a model with the signature `predict_images`."""
    file.write_bytes(convert(source.classify, IMAGES))


def convert(
    function: Callable,
    images: tf.TensorSpec,
    adjust: Callable[[tf.lite.TFLiteConverter], None] = lambda converter: None,
) -> bytes:
    """Converts a function of images to a model with one signature.

    Args:
        function: from images to a dictionary of its answers.
        images: what it takes.
        adjust: sets the converter up.
    """
    module = tf.Module()
    module.function = tf.function(function, autograph=False)
    signatures = {PREDICT_IMAGES: module.function.get_concrete_function(images)}
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(module, directory, signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, [PREDICT_IMAGES])
        adjust(converter)
        return converter.convert()


def load(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a model: from uint8 [N, 28, 28] to float32 [N, 10], integers made real."""
    interpreter = tf.lite.Interpreter(str(file))
    run = interpreter.get_signature_runner(PREDICT_IMAGES)
    scale, zero = run.get_output_details()[OUTPUT]["quantization"]

    def answer(images: np.ndarray) -> np.ndarray:
        found = run(**{INPUT: images})[OUTPUT]
        return (found.astype(np.float32) - zero) * np.float32(scale) if scale else found

    return answer
