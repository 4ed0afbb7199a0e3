"""TinyVGG: two blocks of 3×3 convolutions and max-pooling, then one softmax layer.

The layout is the one that CNN Explainer draws (Wang et al. 2020, arXiv:2004.15004), or
one with a convolution less in the second block.
"""

from collections.abc import Mapping, Sequence

import keras

from trainer_module import features

_CONVOLUTIONS_PER_BLOCK = {3: (2, 1), 4: (2, 2)}

# Keras' 0.99 needs several hundred steps until a short training can be evaluated.
_BATCH_NORM_MOMENTUM = 0.9


def build_model(
    *,
    filters: Sequence[int],
    convolutions: int,
    padding: str,
    batch_norm: bool,
    dropout: float,
) -> keras.Sequential:
    """Builds an uncompiled TinyVGG.

    Args:
        filters: filters of each convolution in the first and in the second block.
        convolutions: 3 (two in the first block, one in the second) or 4 (two in each).
        padding: `valid` or `same`, for every convolution.
        batch_norm: normalizes what each convolution gives over the batch (Ioffe & Szegedy
            2015, arXiv:1502.03167).
        dropout: fraction of the flattened features dropped while training; 0 leaves it out.

    Returns:
        A model from float32 [N, 28, 28, 1] in [0, 1] to float32 [N, 10] probabilities.
    """
    model = keras.Sequential(name="tinyvgg")
    model.add(keras.Input((features.IMAGE_SIZE, features.IMAGE_SIZE, 1), name=features.IMAGE))
    blocks = zip(filters, _CONVOLUTIONS_PER_BLOCK[convolutions], strict=True)
    for block, (width, depth) in enumerate(blocks, start=1):
        for layer in range(1, depth + 1):
            name = f"{block}_{layer}"
            model.add(
                keras.layers.Conv2D(
                    width, 3, padding=padding, use_bias=not batch_norm, name=f"conv_{name}"
                )
            )
            # Before the activation, with the same result: a quarter of the values to work on.
            if layer == depth:
                model.add(keras.layers.MaxPooling2D(2, name=f"max_pool_{block}"))
            if batch_norm:
                model.add(
                    keras.layers.BatchNormalization(
                        momentum=_BATCH_NORM_MOMENTUM, name=f"batch_norm_{name}"
                    )
                )
            model.add(keras.layers.ReLU(name=f"relu_{name}"))
    model.add(keras.layers.Flatten(name="flatten"))
    if dropout:
        model.add(keras.layers.Dropout(dropout, name="dropout"))
    # In float32 where the others are of less precision: probabilities of bfloat16 have two digits.
    model.add(
        keras.layers.Dense(
            features.NUM_CLASSES, activation="softmax", dtype="float32", name="probabilities"
        )
    )
    return model


def average_flips(network: keras.Sequential) -> keras.Model:
    """Builds a model that looks at each image twice: as it is, and mirrored left to right.

    A garment is the same in the mirror, and what the network gets wrong of one view it often gets
    right of the other (test-time augmentation, Krizhevsky et al. 2012). What comes before the
    softmax layer is averaged, so that the model ends in that layer as well.

    Args:
        network: from float32 [N, 28, 28, 1] to float32 [N, 10] probabilities.

    Returns:
        A model of the same shapes, name and weights.
    """
    *_, last = network.layers
    view = keras.Model(network.inputs, last.input, name="view")
    images = keras.Input(network.input_shape[1:], name=features.IMAGE)
    views = [view(images), view(keras.ops.flip(images, axis=2))]
    return keras.Model(images, last(keras.layers.Average(name="mean")(views)), name=network.name)


def build_like(shapes: Mapping[str, tuple[int, ...]]) -> keras.Sequential | None:
    """Builds the TinyVGG that has weights of these names and shapes.

    Dropout, which has no weights and serves training alone, is left out.

    Args:
        shapes: by the path of each weight, such as `tinyvgg/conv_1_1/kernel`.

    Returns:
        A model with initial weights; None where none of this layout is like that.
    """
    kernels = {path: shape for path, shape in shapes.items() if "/conv_" in path and shape[3:]}
    last = {path.partition("/conv_")[2][:1]: shape[3] for path, shape in sorted(kernels.items())}
    if len(kernels) not in _CONVOLUTIONS_PER_BLOCK or len(last) != 2:
        return None
    for padding in ("same", "valid"):
        model = build_model(
            filters=tuple(last.values()),
            convolutions=len(kernels),
            padding=padding,
            batch_norm=any("/batch_norm_" in path for path in shapes),
            dropout=0.0,
        )
        if {one.path: tuple(one.shape) for one in model.weights} == dict(shapes):
            return model
    return None
