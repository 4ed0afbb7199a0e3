import dataclasses

import pytest

from components.model_formats import formats


def test_package_that_is_not_installed_is_missing(monkeypatch):
    needy = dataclasses.replace(formats.FORMATS["onnx"], packages=("json", "no_such_package"))
    monkeypatch.setitem(formats.FORMATS, "onnx", needy)
    assert formats.missing_packages("onnx") == ["no_such_package"]


@pytest.mark.parametrize("name", ["tflite", "tflite-int8", "keras"])
def test_what_comes_with_tensorflow_needs_nothing_else(name):
    assert formats.missing_packages(name) == []


def test_description_says_how_integers_become_probabilities():
    assert formats.describe("tflite-int8")["output"] == {
        "name": "probabilities",
        "dtype": "uint8",
        "shape": ["N", 10],
        "scale": 1 / 256,
    }
    assert "scale" not in formats.describe("tflite")["output"]
