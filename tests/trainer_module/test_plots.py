import math

import numpy as np
import pytest
from PIL import Image

from trainer_module import plots
from trainer_module.learning_rate_finder import Curve, Finding

RATES = np.geomspace(1e-5, 1, 40).tolist()
FALLING = np.linspace(2.3, 0.5, 40).tolist()
BROKEN = [*FALLING[:30], *[math.nan] * 10]

CURVES = {
    "whole": Curve(RATES, FALLING, FALLING),
    "exploded": Curve(RATES, [*FALLING[:-1], 1e30], [*FALLING[:-1], 1e29]),
    "broken": Curve(RATES, BROKEN, BROKEN),
    "one point": Curve(RATES[:1], FALLING[:1], FALLING[:1]),
    "no finite point": Curve(RATES[:1], [math.nan], [math.nan]),
}

FINDINGS = {
    "pick": Finding(1e-3, 1e-3, 1e-2, None),
    "fallback": Finding(4e-3, None, None, "the loss is flat: raise it; 0.004 is used " * 3),
}


def history(epochs):
    names = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    return {name: np.linspace(0.9, 0.1, epochs).tolist() for name in names}


def assert_is_picture(file):
    """A whole one, of a size that can be read."""
    if file.suffix == ".svg":
        text = file.read_text()
        assert "<svg" in text
        assert text.rstrip().endswith("</svg>")
        return
    with Image.open(file) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width > 400
        assert image.height > 300
        assert len(image.convert("RGB").getcolors(2**20)) > 10


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize(("epochs", "exported"), [(1, 1), (12, 5)])
def test_a_history_is_drawn(epochs, exported, suffix, tmp_path):
    file = tmp_path / f"curves.{suffix}"
    plots.plot_history(history(epochs), exported, file)
    assert_is_picture(file)


def test_the_exported_epoch_is_marked(tmp_path):
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    plots.plot_history(history(12), 5, first)
    plots.plot_history(history(12), 9, second)
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("finding", FINDINGS)
@pytest.mark.parametrize("curve", ["whole", "broken"])
def test_a_range_test_is_drawn(curve, finding, suffix, tmp_path):
    file = tmp_path / f"finder.{suffix}"
    plots.plot_range_test(CURVES[curve], FINDINGS[finding], file)
    assert_is_picture(file)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("curve", CURVES)
def test_any_curve_is_drawn(curve, tmp_path):
    file = tmp_path / "finder.png"
    plots.plot_range_test(CURVES[curve], FINDINGS["fallback"], file)
    assert_is_picture(file)


def test_the_pick_and_its_warning_are_shown(tmp_path):
    pictures = {}
    for name, finding in FINDINGS.items():
        file = tmp_path / f"{name}.png"
        plots.plot_range_test(CURVES["whole"], finding, file)
        pictures[name] = file.read_bytes()
    assert pictures["pick"] != pictures["fallback"]
