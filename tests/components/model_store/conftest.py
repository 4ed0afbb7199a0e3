"""Models of a few small files: what the store moves, it never looks into."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from components.model_store import manifest
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from tests.components.model_store.faults import found
from tests.components.model_store.stores import FACTS


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


@pytest.fixture
def push(store, make_model):
    """Pushes models of these names, each a new one."""

    def push(*names):
        return [store.push(make_model(name), FACTS).version for name in names]

    return push


@pytest.fixture
def served(store, make_model):
    """A store with three versions, the newest of them live; returns what is found there."""
    for name in ("a", "b", "c"):
        store.push(make_model(name), ModelFacts(run=name))
    return found(store.directory)


@pytest.fixture(scope="module")
def tally():
    """Counts, by fault, how often it was tried and how many halves of models were visible."""
    tried, halves = Counter(), Counter()
    yield tried, halves
    table = Table("fault", "tried", "half models visible")
    for fault in tried:
        table.add_row(fault, str(tried[fault]), str(halves[fault]))
    table.add_row("in all", str(tried.total()), str(halves.total()))
    Console().print(table)


@pytest.fixture
def look(tally):
    """Looks, after a fault, at what a server finds: nothing but these whole versions.

    `look(fault, store, whole)` returns the versions by their checksums.
    """

    def look(fault, store, *whole):
        tried, halves = tally
        after = found(store.directory)
        half = [number for number, digests in after.items() if digests not in whole]
        tried[fault] += 1
        halves[fault] += len(half)
        assert not half
        assert after.keys() <= manifest.read(store.directory).records.keys()
        return after

    return look
