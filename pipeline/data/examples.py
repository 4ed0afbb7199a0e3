"""Raw examples: serialized `tf.Example`s of a labelled image, made without TensorFlow.

One has `image`, PNG bytes of grey pixels, and `label`, int64: the features of images in TensorFlow
Datasets.
"""

import io

import numpy as np
from PIL import Image

from trainer_module import features

_BYTES_LIST, _INT64_LIST = 1, 3
"""The numbers of these fields of `tf.train.Feature`."""


def to_example(image: np.ndarray, label: int) -> bytes:
    """Makes a raw example: a serialized `tf.Example` of an image uint8 [H, W] and its label.

    It has the bytes that TensorFlow gives it.
    """
    png = _feature(features.IMAGE, _BYTES_LIST, _field(1, _encode_png(image)))
    number = _feature(features.LABEL, _INT64_LIST, _field(1, _varint(label)))
    return _field(1, png + number)


def _encode_png(image: np.ndarray) -> bytes:
    # Pillow takes 70 µs an image, TensorFlow twice that or more.
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    return png.getvalue()


def _feature(name: str, kind: int, values: bytes) -> bytes:
    """An entry of the map of features."""
    return _field(1, _field(1, name.encode()) + _field(2, _field(kind, values)))


def _field(number: int, content: bytes) -> bytes:
    """A field as protobuf writes it, with the length of its content before that."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """A number from 0 on as protobuf writes it: seven bits to a byte, the lowest first."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
