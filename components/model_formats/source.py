"""Reads out of a pushed version what other formats start from.

A version is a SavedModel and nothing else. Its signature asserts, answers text and scales pixels
by operations that branch: a converter leaves them out, refuses them, or can't make integers of
them. So it is cut where the graph holds the transformed image, which `transform_features` gives
away, and what is before that becomes the factor and the offset that it amounts to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from components.model_formats.formats import INPUT, OUTPUT
from trainer_module import features, warmup
from trainer_module.preprocessing import cut
from trainer_module.served import PREDICT_IMAGES, TRANSFORM_FEATURES
from trainer_module.signature_calls import call_signature

IMAGES = tf.TensorSpec([None, features.IMAGE_SIZE, features.IMAGE_SIZE], tf.uint8, name=INPUT)
"""What a model in another format takes, as `predict_images` does."""

# Far below what a step of one pixel changes.
_TOLERANCE = 1e-6


class SourceError(Exception):
    """A version is of a kind that can't be converted; a phrase that says why."""


@dataclass(frozen=True)
class Source:
    """A pushed version, taken apart.

    Attributes:
        scale: what a pixel is multiplied with, and
        offset: what is then added, before the network.
        network: from the transformed image, float32 [N, 28, 28, 1], to probabilities, float32
            [N, 10]: a plain graph, its weights constants.
        weights: by name, such as `tinyvgg/conv_1_1/kernel`.
        answer: what the version itself answers, from uint8 [N, 28, 28] to float32 [N, 10].
        images: the real ones that are recorded in the version, uint8 [N, 28, 28]; N may be 0.
    """

    scale: float
    offset: float
    network: Callable[[tf.Tensor], tf.Tensor]
    weights: Mapping[str, np.ndarray]
    answer: Callable[[np.ndarray], np.ndarray]
    images: np.ndarray

    def classify(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` float32 [N, 10] of uint8 [N, 28, 28]."""
        scaled = tf.cast(images[..., tf.newaxis], tf.float32) * self.scale
        return {OUTPUT: self.network(scaled + self.offset if self.offset else scaled)}


def read_source(version: Path) -> Source:
    """Reads a version.

    Args:
        version: the directory of its SavedModel.

    Raises:
        SourceError: it lacks a signature, or pixels reach its network otherwise than by a
            factor and an offset.
    """
    model = tf.saved_model.load(str(version))
    if lacking := {PREDICT_IMAGES, TRANSFORM_FEATURES} - set(model.signatures):
        raise SourceError(f"it has no signature {min(lacking)}")
    signature = model.signatures[PREDICT_IMAGES]

    def answer(images: np.ndarray) -> np.ndarray:
        # Keeps the model alive, which its signatures do not.
        return call_signature(model.signatures[PREDICT_IMAGES], images)[OUTPUT]

    ramp = make_ramp()
    transform = model.signatures[TRANSFORM_FEATURES]
    transformed = call_signature(transform, [warmup.make_example(ramp)])[features.IMAGE]
    graph_def, output = _freeze(signature)
    recorded = warmup.read_warmup(version)
    return Source(
        *_fit(ramp, transformed),
        network=_cut_network(graph_def, output, ramp, transformed),
        weights={one.name.partition(":")[0]: one.numpy() for one in signature.variables},
        answer=answer,
        images=warmup.decode_images(recorded.examples)
        if recorded
        else np.zeros([0, *IMAGES.shape[1:]], np.uint8),
    )


def make_ramp() -> np.ndarray:
    """An image that has every value of a pixel: uint8 [28, 28]."""
    size = features.IMAGE_SIZE
    return (np.arange(size * size) % 256).astype(np.uint8).reshape(size, size)


def _fit(ramp: np.ndarray, transformed: np.ndarray) -> tuple[float, float]:
    pixels, values = ramp.ravel().astype(float), transformed.ravel().astype(float)
    offset = values[pixels.argmin()]
    scale = (values[pixels.argmax()] - offset) / 255
    if not np.abs(scale * pixels + offset - values).max() <= _TOLERANCE:
        raise SourceError("its transform is not one factor and one offset for all pixels")
    return float(scale), float(offset)


def _freeze(signature: Callable) -> tuple[tf.compat.v1.GraphDef, str]:
    """Returns a signature as one flat graph without variables, and its output's operation."""
    function = tf.function(lambda images: signature(**{INPUT: images})[OUTPUT], autograph=False)
    concrete = function.get_concrete_function(IMAGES)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    graph_def = frozen.graph.as_graph_def()
    # What waits for an assertion is all that is left of control: without it nothing asks for one.
    for node in graph_def.node:
        node.input[:] = [one for one in node.input if not one.startswith("^")]
    return graph_def, frozen.outputs[0].op.name


def _cut_network(
    graph_def: tf.compat.v1.GraphDef, output: str, ramp: np.ndarray, transformed: np.ndarray
) -> Callable[[tf.Tensor], tf.Tensor]:
    entry = _find_tensor(graph_def, ramp, transformed)
    part = cut(graph_def, [output], {entry})
    if any(node.op == "Placeholder" for node in part.node):
        raise SourceError("its network takes more than the transformed image")

    @tf.function(autograph=False)
    def network(images: tf.Tensor) -> tf.Tensor:
        [probabilities] = tf.graph_util.import_graph_def(
            part, {entry: images}, [f"{output}:0"], name="network"
        )
        return probabilities

    return network


def _find_tensor(
    graph_def: tf.compat.v1.GraphDef, ramp: np.ndarray, transformed: np.ndarray
) -> str:
    """Names the last tensor that is the transformed image where the ramp is the image."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        candidates = [
            tensor
            for operation in graph.get_operations()
            for tensor in operation.outputs
            if tensor.dtype == tf.float32
            and tensor.shape.rank == 4
            and tensor.shape.is_compatible_with(transformed.shape)
        ]
        values = session.run(candidates, {f"{INPUT}:0": ramp[np.newaxis]})
    found = [
        tensor.name
        for tensor, value in zip(candidates, values, strict=True)
        if value.shape == transformed.shape and np.abs(value - transformed).max() <= _TOLERANCE
    ]
    if not found:
        raise SourceError(f"{PREDICT_IMAGES} holds nowhere what {TRANSFORM_FEATURES} answers")
    return found[-1]
