"""The features of Fashion-MNIST: the one place that spells their names and shapes.

Free of TensorFlow, so that command-line help and inspection can import it at once.
"""

IMAGE = "image"
"""PNG bytes in raw examples; float32 [28, 28, 1] in [0, 1] once transformed."""

LABEL = "label"
"""int64, an index into `CLASS_NAMES`."""

IMAGE_SIZE = 28
"""Height and width of an image, in pixels."""

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Names of the classes in the order of their labels."""

NUM_CLASSES = len(CLASS_NAMES)
