"""What a served model is asked by: the names of its signatures, inputs and outputs.

Free of TensorFlow, as a client of a model server is.
"""

SERVING_DEFAULT = "serving_default"
"""The signature that classifies examples, and that is asked if none is named."""

PREDICT_IMAGES = "predict_images"
"""The signature that classifies bare pixels."""

TRANSFORM_FEATURES = "transform_features"
"""The signature that transforms examples as for training."""

EXAMPLES = "examples"
"""What the others take: string [N], serialized `tf.Example`s."""

IMAGES = "images"
"""What `PREDICT_IMAGES` takes: uint8 [N, 28, 28]."""

PROBABILITIES = "probabilities"
"""float32 [N, 10], of those that classify."""

CLASS_NAME = "class_name"
"""string [N], of those that classify: the most probable class."""
