"""Which formats there are, and what a model in each takes and gives.

Free of TensorFlow, so that command-line help can list them at once.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from trainer_module import features, served

INPUT, OUTPUT = served.IMAGES, served.PROBABILITIES
"""The one input, uint8 [N, 28, 28], and the one output, [N, 10], of every format."""

TFLITE, TFLITE_INT8, ONNX, KERAS = "tflite", "tflite-int8", "onnx", "keras"

INT8_SCALE = 1 / 256
"""What one step of a quantised probability stands for."""


@dataclass(frozen=True)
class Format:
    """One of the formats.

    Attributes:
        suffix: of the file.
        module: has `write`, which makes the file of a `source.Source`, and `load`, which
            makes a function from uint8 [N, 28, 28] to float32 [N, 10] of the file.
        packages: what the conversion, or running its result, needs beyond TensorFlow.
        quantised: whether it computes with integers, and so answers a little otherwise.
    """

    suffix: str
    module: str
    packages: Sequence[str] = ()
    quantised: bool = False


FORMATS = {
    TFLITE: Format("tflite", "components.model_formats.to_tflite"),
    TFLITE_INT8: Format("tflite", "components.model_formats.to_tflite_int8", quantised=True),
    ONNX: Format("onnx", "components.model_formats.to_onnx", ("tf2onnx", "onnx", "onnxruntime")),
    KERAS: Format("keras", "components.model_formats.to_keras"),
}
"""By name, in the order in which they are told of."""


def missing_packages(name: str) -> list[str]:
    """What a format needs and is not installed."""
    return [one for one in FORMATS[name].packages if importlib.util.find_spec(one) is None]


def describe(name: str) -> dict[str, object]:
    """What a program must know to use a model in this format, as one JSON object."""
    size = features.IMAGE_SIZE
    output: dict[str, object] = {
        "name": OUTPUT,
        "dtype": "float32",
        "shape": ["N", features.NUM_CLASSES],
    }
    if FORMATS[name].quantised:
        output |= {"dtype": "uint8", "scale": INT8_SCALE}
    return {
        "format": name,
        "input": {"name": INPUT, "dtype": "uint8", "shape": ["N", size, size]},
        "output": output,
        "class_names": features.CLASS_NAMES,
    }
