"""Transform's `preprocessing_fn`: PNG bytes to scaled pixels, and its graph behind the decoder."""

from collections.abc import Callable, Collection

import tensorflow as tf
import tensorflow_transform as tft

from trainer_module import features

_PIXELS = "pixels"
"""Names the tensor in the transform graph at which it can be entered without a PNG."""


def decode_image(png: tf.Tensor) -> tf.Tensor:
    """Decodes one PNG.

    Args:
        png: string scalar, a PNG of 28×28 grey pixels.

    Returns:
        uint8 [28, 28, 1].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no PNG, or its size is another.
    """
    pixels = tf.io.decode_png(png, channels=1)
    return tf.ensure_shape(pixels, [features.IMAGE_SIZE, features.IMAGE_SIZE, 1])


def decode_images(pngs: tf.Tensor) -> tf.Tensor:
    """Decodes PNGs (string [N]), as `decode_image` does each: uint8 [N, 28, 28, 1]."""
    return tf.map_fn(decode_image, pngs, fn_output_signature=tf.uint8)


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Scales the pixels to [0, 1] by the range that the training split spans.

    Args:
        inputs: `image` string [N] and `label` int64 [N].

    Returns:
        `image` float32 [N, 28, 28, 1] in [0, 1] and `label` int64 [N], names unchanged.
    """
    pixels = tf.identity(decode_images(inputs[features.IMAGE]), name=_PIXELS)
    return {
        features.IMAGE: tft.scale_to_0_1(tf.cast(pixels, tf.float32)),
        features.LABEL: inputs[features.LABEL],
    }


def load_scaling(transform_output: tft.TFTransformOutput) -> Callable[[tf.Tensor], tf.Tensor]:
    """Cuts out of the transform graph what it does to an image behind the decoder.

    So bare pixels go through the very operations that a PNG's go through, without being a PNG.

    Args:
        transform_output: what Transform exported.

    Returns:
        A function from uint8 [N, 28, 28, 1] to the transformed `image`, float32 [N, 28, 28, 1].
    """
    transform = tf.saved_model.load(transform_output.transform_savedmodel_dir).transform_fn
    outputs = tf.nest.pack_sequence_as(transform.structured_outputs, transform.outputs)
    output = outputs[features.IMAGE]
    # What the analyzers found, the range of the pixels, comes as captured constants.
    found = transform.captured_inputs
    inputs = transform.inputs[len(transform.inputs) - len(found) :]
    constants = {one.name: value for one, value in zip(inputs, found, strict=True)}
    graph_def = cut(transform.graph.as_graph_def(), output.op.name, {f"{_PIXELS}:0", *constants})

    @tf.function(autograph=False)
    def scale(pixels: tf.Tensor) -> tf.Tensor:
        fed = {f"{_PIXELS}:0": pixels, **{key: tf.identity(one) for key, one in constants.items()}}
        [scaled] = tf.graph_util.import_graph_def(graph_def, fed, [output.name], name="transform")
        return scaled

    return scale


def cut(
    graph_def: tf.compat.v1.GraphDef, output: str, fed: Collection[str]
) -> tf.compat.v1.GraphDef:
    """Returns the part of a graph that leads from the tensors that are fed to a node.

    Args:
        graph_def: the whole.
        output: the name of the node.
        fed: names of tensors, such as `pixels:0`.
    """
    nodes = {node.name: node for node in graph_def.node}
    part = tf.compat.v1.GraphDef(library=graph_def.library, versions=graph_def.versions)
    waiting, seen = [output], {tensor.partition(":")[0] for tensor in fed}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            part.node.append(nodes[name])
            waiting.extend(one.removeprefix("^").partition(":")[0] for one in nodes[name].input)
    return part
