import numpy as np

from components import image_measures
from components.image_measures import BRIGHTNESS, INK, UNITS
from trainer_module import features


def image(covered, value):
    pixels = np.zeros(features.IMAGE_SIZE**2, np.uint8)
    pixels[:covered] = value
    return pixels.reshape(1, features.IMAGE_SIZE, features.IMAGE_SIZE)


def test_ink_is_counted_in_pixels_and_brightness_in_steps_of_a_pixel():
    assert image_measures.count(image(98, 3)) == {INK: 98, BRIGHTNESS: 294}


def test_a_white_image_has_all_units():
    assert image_measures.count(image(784, 255)) == UNITS


def test_measures_are_fractions():
    measured = image_measures.measure(image(392, 51))
    assert measured == {INK: 0.5, BRIGHTNESS: 0.1}
