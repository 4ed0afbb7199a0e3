import numpy as np
import pytest

from components.evaluation import slicing
from components.image_measures import BRIGHTNESS, INK
from trainer_module import features


def parts(pixels, label=0):
    """The parts that one image belongs to, of a given number of pixels of a brightness."""
    covered, value = pixels
    image = np.zeros(features.IMAGE_SIZE**2, np.uint8)
    image[:covered] = value
    images = image.reshape(1, features.IMAGE_SIZE, features.IMAGE_SIZE)
    found = slicing.assign_parts(images, np.array([label]))
    return {name: names.item() for name, names in found.items()}


@pytest.mark.parametrize(
    ("covered", "name"),
    [
        (0, "under 35 %"),
        (274, "under 35 %"),
        (275, "35 % to 50 %"),
        (392, "50 % to 65 %"),
        (784, "65 % and over"),
    ],
)
def test_ink_is_the_fraction_of_pixels_that_are_not_black(covered, name):
    assert parts((covered, 1))[INK] == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (50, "under 20 %"),
        (51, "20 % to 30 %"),
        (77, "30 % to 40 %"),
        (255, "40 % and over"),
    ],
)
def test_brightness_is_the_mean_of_the_pixels(value, name):
    assert parts((784, value))[BRIGHTNESS] == name


@pytest.mark.parametrize("label", range(features.NUM_CLASSES))
def test_the_group_is_of_the_four_classes_that_are_easily_confused(label):
    confused = features.CLASS_NAMES[label] in ("T-shirt/top", "Pullover", "Coat", "Shirt")
    assert parts((9, 9), label)[slicing.GROUP] == ("easily confused" if confused else "others")


def test_every_part_is_named_in_order():
    assert list(slicing.PARTS) == ["ink", "brightness", "group"]
    assert slicing.PARTS["ink"][0] == "under 35 %"
    assert slicing.PARTS["ink"][-1] == "65 % and over"


def test_without_classes_that_are_easily_confused_nothing_is_cut_by_them(monkeypatch):
    monkeypatch.delitem(slicing.PARTS, slicing.GROUP)
    assert parts((9, 9)).keys() == {INK, BRIGHTNESS}
