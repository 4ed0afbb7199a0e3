"""Whatever the manifest holds is a manifest, or one sentence; and no version is lost by it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.model_store import files, manifest
from components.model_store.manifest import MANIFEST_FILE, ModelFacts, StoreError
from components.model_store.store import Store
from tests.fuzz import spoiling

RECORD = {
    "pushed": "2026-11-24T12:22:11+00:00",
    "facts": {"run": "r1", "source": "01", "commit": "2", "dataset": "d", "metrics": {"a": 0.9}},
    "files": {"saved_model.pb": "0" * 64},
    "withdrawn": None,
    "identity": "1",
}
MANIFESTS = (
    {
        "last_version": 3,
        "pinned": 2,
        "rolling_back": None,
        "given_up": "",
        "server_directory": "/models",
        "records": {"1": RECORD, "2": {**RECORD, "withdrawn": "rolled back"}, "3": RECORD},
    },
    # Of earlier versions.
    {
        "last_version": 3,
        "pinned": None,
        "rolling_back": 1,
        "records": {"3": {"pushed": "", "facts": {}, "files": {}, "withdrawn": None}},
    },
)
CONTENTS = spoiling.json_files(*MANIFESTS)


@given(content=CONTENTS)
def test_a_manifest_is_read_and_written_back_or_refused(tmp_path_factory, content):
    directory = tmp_path_factory.getbasetemp() / "read"
    directory.mkdir(exist_ok=True)
    (directory / MANIFEST_FILE).write_bytes(content)
    try:
        known = manifest.read(directory)
    except StoreError:
        return
    manifest.write(directory, known)
    assert repr(manifest.read(directory)) == repr(known)  # NaN equals nothing.


OPERATIONS = {
    "versions": Store.versions,
    "warnings": Store.warnings,
    "find": Store.find,
    "find 2": lambda store: store.find(2),
    "recover": Store.recover,
    "rollback": Store.rollback,
    "rollback 1": lambda store: store.rollback(1),
    "pin": lambda store: store.pin(3),
    "unpin": Store.unpin,
    "prune": lambda store: store.prune(store.superfluous(1, withdrawn=True)[:0]),
    "push": lambda store: store.push(store.directory.parent / "model", ModelFacts()),
}


def make_store(parent):
    """A store of three versions, one file each; and a fourth model."""
    store = Store(parent / "tinyvgg")
    for version in ("1", "2", "3", "../model"):
        (store.directory / version).mkdir(parents=True)
        (store.directory / version / "saved_model.pb").write_text(version)
    return store


def versions(store):
    """What all versions hold, visible or not."""
    return sorted(path.read_text() for path in store.directory.rglob("saved_model.pb"))


@pytest.fixture(scope="module")
def fresh_store(tmp_path_factory):
    """Makes a store, or gives the last one again if nothing in it changed."""
    kept = []

    def fresh_store():
        while kept:
            store, before = kept.pop()
            if files.checksums(store.directory) == before:
                break
        else:
            store = make_store(tmp_path_factory.mktemp("store"))
        (store.directory / ".lock").touch()
        (store.directory / MANIFEST_FILE).unlink(missing_ok=True)
        kept.append((store, files.checksums(store.directory)))
        return store

    return fresh_store


@given(content=CONTENTS, operation=st.sampled_from(sorted(OPERATIONS)))
def test_no_operation_on_any_manifest_loses_a_version(fresh_store, content, operation):
    store = fresh_store()
    (store.directory / MANIFEST_FILE).write_bytes(content)
    before = files.checksums(store.directory)
    try:
        manifest.read(store.directory)
        readable = True
    except StoreError:
        readable = False
    with suppress(StoreError):
        OPERATIONS[operation](store)
    if not readable:
        assert files.checksums(store.directory) == before
        (store.directory / MANIFEST_FILE).unlink()
    assert {"1", "2", "3"} <= set(versions(store))
