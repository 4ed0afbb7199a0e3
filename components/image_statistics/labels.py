"""What labels and the statistics of them are called. Free of TensorFlow."""

from trainer_module import features

CLASS = "class"
"""The statistics of the class by name."""

CLASS_SHARE = "class_share"
"""The share of each class in a split: one example, as it were, with a value for each class."""

NO_LABEL = -(2**63)
"""Stands for the label of an example that has none, or several."""


def name_class(label: int) -> str:
    """The name of a label's class; of a label without one, the number."""
    if label == NO_LABEL:
        return "no label"
    known = 0 <= label < features.NUM_CLASSES
    return features.CLASS_NAMES[label] if known else str(label)
