"""ONNX, for ONNX Runtime and what else reads it: a browser, .NET, Java, other accelerators."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from components.model_formats.formats import INPUT, OUTPUT
from components.model_formats.source import IMAGES, Source
from trainer_module import features

# Read by ONNX Runtime since 1.12, of 2022.
_OPSET = 17
_CLASS_NAMES = "class_names"


def write(source: Source, file: Path) -> None:
    """Writes a model; its metadata have the names of the classes, a JSON list, too."""
    function = tf.function(source.classify, autograph=False)
    model, _ = tf2onnx.convert.from_function(function, [IMAGES], opset=_OPSET)
    for one in (*model.graph.input, *model.graph.output):
        one.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.helper.set_model_props(model, {_CLASS_NAMES: json.dumps(features.CLASS_NAMES)})
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString())


def load(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a model into ONNX Runtime: from uint8 [N, 28, 28] to float32 [N, 10]."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]
