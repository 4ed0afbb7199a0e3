import numpy as np
import pytest
from PIL import Image

from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from pipeline import serving


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    """Three versions, of which the third is live."""
    store = Store(root / "serving" / "tinyvgg")
    for number in range(1, 4):
        model = root / f"model-{number}"
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_text(f"model {number}")
        metrics = {"accuracy": 0.9 + number / 1000}
        store.push(model, ModelFacts(run=f"run-{number}", metrics=metrics))
    return store


@pytest.fixture
def run(root, capsys, monkeypatch):
    """Runs a command on the root; returns its code and its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(command, *arguments):
        code = serving.main([command, *map(str, arguments), "--root", str(root)])
        return code, [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "a [b] picture.png"
    pixels = np.zeros((40, 30), np.uint8)
    pixels[10:30, 10:20] = 200
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def blank(tmp_path):
    Image.new("RGB", (90, 90), "white").save(tmp_path / "blank.png")
    return tmp_path / "blank.png"
