"""Models of a few small files: what the store moves, it never looks into."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from components.model_store.store import Store


@pytest.fixture
def directory(tmp_path) -> Path:
    """The directory of one model in a serving directory; nothing is there yet."""
    return tmp_path / "serving" / "tinyvgg"


@pytest.fixture
def store(directory) -> Store:
    return Store(directory)


@pytest.fixture
def make_model(tmp_path) -> Callable[..., Path]:
    """Makes a model that is told from others by its name: `make_model(name, size)`."""

    def make_model(name: str, size: int = 3000) -> Path:
        model = tmp_path / "models" / name
        (model / "variables").mkdir(parents=True)
        (model / "assets").mkdir()
        (model / "saved_model.pb").write_bytes(name.encode() + os.urandom(size))
        for number in range(3):
            (model / "variables" / f"variables.data-{number}").write_bytes(os.urandom(size))
        return model

    return make_model


@pytest.fixture
def put(directory) -> Callable[..., Path]:
    """Puts another's SavedModel into the model's directory: `put("00000123")`."""

    def put(name: str, into: Path = directory) -> Path:
        version = into / name
        version.mkdir(parents=True)
        (version / "saved_model.pb").write_text(f"another's {name}")
        return version

    return put


def _no_directory(place):
    place.write_text("a file")


def _empty(place):
    place.mkdir()


def _dangling(place):
    place.symlink_to("nowhere")


def _looping(place):
    place.symlink_to(place.name)


def _no_model(place):
    (place / "variables").mkdir(parents=True)


@pytest.fixture(params=[_no_directory, _empty, _dangling, _looping, _no_model])
def make_stray(request) -> Callable[[Path], None]:
    """Makes what has a number for a name and is no SavedModel, of each kind."""
    return request.param
