"""The features: the one place that spells their names, and that says which dataset they are of.

Free of TensorFlow, so that command-line help and inspection can import it at once.
"""

from trainer_module.facts import DatasetFacts
from trainer_module.fashion_mnist import FASHION_MNIST

DATASET: DatasetFacts = FASHION_MNIST
"""What is learnt. For other images, describe them as `fashion_mnist` does, and name them here."""

IMAGE = "image"
"""PNG bytes in raw examples; float32 [IMAGE_SIZE, IMAGE_SIZE, 1] in [0, 1] once transformed."""

LABEL = "label"
"""int64, an index into `CLASS_NAMES`."""

IMAGE_SIZE = DATASET.image_size
"""Height and width of an image, in pixels."""

CLASS_NAMES = DATASET.class_names
"""Names of the classes in the order of their labels."""

NUM_CLASSES = len(CLASS_NAMES)
