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
    graph = _TransformGraph(transform_output)

    @tf.function(autograph=False)
    def scale(pixels: tf.Tensor) -> tf.Tensor:
        [scaled] = graph.run({f"{_PIXELS}:0": pixels}, [graph.outputs[features.IMAGE]])
        return scaled

    return scale


def load_transform(
    transform_output: tft.TFTransformOutput,
) -> Callable[[dict[str, tf.Tensor]], tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """Loads the transform graph with what passes behind the decoder besides what comes out.

    Args:
        transform_output: what Transform exported.

    Returns:
        A function from raw features, [N] each, to the pixels, uint8 [N, 28, 28, 1], and the
        transformed features by name.
    """
    graph = _TransformGraph(transform_output)

    @tf.function(autograph=False)
    def transform(raw: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        fed = {graph.inputs[name]: value for name, value in raw.items()}
        pixels, *values = graph.run(fed, [f"{_PIXELS}:0", *graph.outputs.values()])
        return pixels, dict(zip(graph.outputs, values, strict=True))

    return transform


class _TransformGraph:
    """The transform graph, parts of which can be run.

    Attributes:
        inputs: the name of the tensor of each raw feature.
        outputs: the name of the tensor of each transformed feature.
    """

    def __init__(self, transform_output: tft.TFTransformOutput) -> None:
        # Kept, as it owns the tables of a vocabulary.
        self._loaded = tf.saved_model.load(transform_output.transform_savedmodel_dir)
        function = self._loaded.transform_fn
        outputs = tf.nest.pack_sequence_as(function.structured_outputs, function.outputs)
        self.outputs = {name: tensor.name for name, tensor in outputs.items()}
        # What the analyzers found, the range of the pixels, comes as captured constants.
        found = function.captured_inputs
        fed = function.inputs[: len(function.inputs) - len(found)]
        [[named], _] = function.structured_input_signature
        self.inputs = dict(zip(sorted(named), (tensor.name for tensor in fed), strict=True))
        captured = (tensor.name for tensor in function.inputs[len(fed) :])
        self._constants = dict(zip(captured, found, strict=True))
        self._graph_def = function.graph.as_graph_def()

    def run(self, fed: dict[str, tf.Tensor], wanted: list[str]) -> list[tf.Tensor]:
        """Computes tensors from others, both by name, within a graph that is being made."""
        operations = [name.partition(":")[0] for name in wanted]
        part = cut(self._graph_def, operations, {*fed, *self._constants})
        # What nothing asks for may not be given. In one order, as that of the arguments follows.
        asked = {name for node in part.node for name in map(_tensor, node.input)}
        given = {name: fed[name] for name in fed if name in asked}
        for name in self._constants:
            if name in asked:
                given[name] = tf.identity(self._constants[name])
        return tf.graph_util.import_graph_def(part, given, wanted, name="transform")


def _tensor(name: str) -> str:
    """Names a tensor in full: the first of a node goes by the node's name alone."""
    return name if ":" in name else f"{name}:0"


def cut(
    graph_def: tf.compat.v1.GraphDef, outputs: Collection[str], fed: Collection[str]
) -> tf.compat.v1.GraphDef:
    """Returns the part of a graph that leads from the tensors that are fed to some nodes.

    Args:
        graph_def: the whole.
        outputs: the names of the nodes.
        fed: names of tensors, such as `pixels:0`.
    """
    nodes = {node.name: node for node in graph_def.node}
    part = tf.compat.v1.GraphDef(library=graph_def.library, versions=graph_def.versions)
    waiting, seen = [*outputs], {tensor.partition(":")[0] for tensor in fed}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            part.node.append(nodes[name])
            waiting.extend(one.removeprefix("^").partition(":")[0] for one in nodes[name].input)
    return part
