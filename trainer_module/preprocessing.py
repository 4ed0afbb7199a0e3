"""Transform's `preprocessing_fn`: PNG bytes to scaled pixels."""

import tensorflow as tf
import tensorflow_transform as tft

from trainer_module import features


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


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Scales the pixels to [0, 1] by the range that the training split spans.

    Args:
        inputs: `image` string [N] and `label` int64 [N].

    Returns:
        `image` float32 [N, 28, 28, 1] in [0, 1] and `label` int64 [N], names unchanged.
    """
    pixels = tf.map_fn(decode_image, inputs[features.IMAGE], fn_output_signature=tf.uint8)
    return {
        features.IMAGE: tft.scale_to_0_1(tf.cast(pixels, tf.float32)),
        features.LABEL: inputs[features.LABEL],
    }
