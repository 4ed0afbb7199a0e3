"""LiteRT with integers alone, which accelerators and microcontrollers ask for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.model_formats.formats import INPUT, INT8_SCALE, OUTPUT
from components.model_formats.source import IMAGES, Source, SourceError
from components.model_formats.to_tflite import convert, load

__all__ = ["load", "write"]


def write(source: Source, file: Path) -> None:
    """Writes a model whose input, uint8, are the pixels, and whose output, uint8, is in 1/256.

    The images that are recorded in the version tell the range of each tensor. The quantisation
    of the input is the scaling of the pixels: no operation is left of it.

    Raises:
        SourceError: no images are recorded, or the model came out otherwise.
    """
    if not len(source.images):
        raise SourceError("it brings no recorded images, which tell the ranges of the integers")
    scaled = _stretch(source.images) * np.float32(source.scale) + np.float32(source.offset)

    def adjust(converter: tf.lite.TFLiteConverter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        converter.representative_dataset = lambda: _one_by_one(scaled)

    model = convert(
        lambda images: {OUTPUT: source.network(images[..., tf.newaxis])},
        tf.TensorSpec(IMAGES.shape, tf.float32, name=INPUT),
        adjust,
    )
    file.write_bytes(model)
    _check_quantisation(file, source)


def _stretch(images: np.ndarray) -> np.ndarray:
    """Moves the darkest and the brightest pixel to the ends of the range, if none is there."""
    stretched = images.copy()
    stretched.flat[stretched.argmax()] = 255
    stretched.flat[stretched.argmin()] = 0
    return stretched


def _one_by_one(images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    return ({INPUT: image[np.newaxis]} for image in images)


def _check_quantisation(file: Path, source: Source) -> None:
    interpreter = tf.lite.Interpreter(str(file))
    [images], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    wanted = (source.scale, -source.offset / source.scale, INT8_SCALE, 0)
    if not np.allclose([*images["quantization"], *output["quantization"]], wanted, rtol=1e-5):
        raise SourceError("its integers do not stand for pixels and for steps of 1/256")
    floats = [one["name"] for one in interpreter.get_tensor_details() if one["dtype"] == np.float32]
    if floats:
        raise SourceError(f"{floats[0]} can't be computed with integers")
