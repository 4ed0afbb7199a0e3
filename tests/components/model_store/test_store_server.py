import json
import os
import subprocess

import pytest

from components.model_store import files, manifest
from components.model_store.manifest import MANIFEST_FILE, ModelFacts, StoreError
from components.model_store.store import Store
from tests.components.model_store.stores import FACTS, served_config


def test_version_can_be_read_by_a_server_of_another_user(store, push):
    push("a")
    assert (store.directory / "1").stat().st_mode & 0o055 == 0o055


def test_models_config_follows_every_change(store, push):
    push("a")
    assert served_config(store) == ("tinyvgg", "/models/tinyvgg", 2, {"live": 1})
    push("b", "c")
    assert served_config(store)[2:] == (2, {"live": 3, "previous": 2})
    store.pin(1)
    assert served_config(store)[2:] == ([1], {"live": 1})
    push("d")
    assert served_config(store)[2:] == ([1], {"live": 1})
    store.unpin()
    assert served_config(store)[2:] == (2, {"live": 4, "previous": 3})
    store.rollback()
    assert served_config(store)[2:] == (2, {"live": 3, "previous": 2})


def test_models_config_has_the_path_that_the_server_sees(directory, make_model):
    store = Store(directory, "/srv/models/")
    store.push(make_model("a"), FACTS)
    assert served_config(store)[1] == "/srv/models/tinyvgg"


def test_server_directory_is_kept_until_another_is_given(directory, store, push, make_model):
    Store(directory, "/srv").push(make_model("first"), FACTS)
    push("a", "b")
    store.rollback()
    store.pin(1)
    store.unpin()
    store.recover()
    assert served_config(store)[1] == "/srv/tinyvgg"
    Store(directory, "/mnt/x").recover()
    assert served_config(store)[1] == "/mnt/x/tinyvgg"
    store.prune(store.superfluous(1))
    assert served_config(store)[1] == "/mnt/x/tinyvgg"


@pytest.mark.parametrize(
    "operate",
    [
        lambda store, model: store.push(model, FACTS),
        lambda store, model: store.rollback(),
        lambda store, model: store.pin(1),
        lambda store, model: store.recover(),
        lambda store, model: store.prune(store.superfluous(1)),
    ],
    ids=["push", "rollback", "pin", "recover", "prune"],
)
def test_every_operation_keeps_the_server_directory_that_it_is_given(
    directory, store, push, make_model, operate
):
    push("a", "b")
    operate(Store(directory, "/srv"), make_model("new"))
    assert manifest.read(directory).server_directory == "/srv"
    assert served_config(store)[1] == "/srv/tinyvgg"


def forget_server_directory(store):
    """As if an earlier version of the project had written the manifest."""
    path = store.directory / MANIFEST_FILE
    document = json.loads(path.read_text())
    del document["server_directory"]
    path.write_text(json.dumps(document))


def test_server_directory_that_an_earlier_version_told_the_server_is_kept(directory, store, push):
    push("a", "b")
    Store(directory, "/srv").recover()
    forget_server_directory(store)
    store.rollback()
    assert served_config(store)[1] == "/srv/tinyvgg"
    assert manifest.read(directory).server_directory == "/srv"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "custom_model_config { }",
        "model_config_list { }",
        'model_config_list { config { name: "tinyvgg" } }',
        'model_config_list { config { name: "tinyvgg" base_path: "/elsewhere" } }',
        'model_config_list { config { name: "tinyvgg" base_path: 5 } }',
    ],
)
def test_server_directory_that_nobody_told_is_models(store, push, text):
    push("a")
    forget_server_directory(store)
    (store.directory.parent / "models.config").write_text(text)
    assert manifest.read(store.directory).server_directory == "/models"


SHARED = """# Of another team.
model_config_list {
  config { name: 'theirs' base_path: "/models/theirs" }  # keep
}
"""


@pytest.fixture
def shared(directory):
    """A hand-written models.config of another team."""
    directory.parent.mkdir(parents=True)
    path = directory.parent / "models.config"
    path.write_text(SHARED)
    return path


def test_run_that_pushes_nothing_leaves_the_file_of_others_alone(store, shared, put):
    put("00000123")
    before = shared.stat()
    store.recover()
    assert shared.read_text() == SHARED
    assert shared.stat() == before
    shared.write_text("custom_model_config { }")
    assert store.warnings() == []


def test_push_adds_its_entry_to_the_file_of_others(store, shared, push):
    push("a")
    text = shared.read_text()
    before, after = SHARED.rsplit("}\n", 1)[0], "}\n"
    assert text.startswith(before)
    assert text.endswith(after)
    assert 'name: "tinyvgg"' in text[len(before) :]
    push("b")
    store.rollback()
    assert shared.read_text() == text


def test_file_is_not_written_where_the_entry_says_so_already(store, push):
    push("a")
    path = store.directory.parent / "models.config"
    before = path.stat()
    store.recover()
    assert path.stat() == before


def test_file_that_can_not_be_edited_is_left_alone_and_ours_goes_beside(store, shared, push):
    shared.write_text("custom_model_config { }")
    push("a")
    assert shared.read_text() == "custom_model_config { }"
    [warning] = store.warnings()
    assert "models.config is left alone, as it has custom_model_config" in warning
    assert "models.config.tinyvgg" in warning
    push("b")
    assert "value: 2" in (shared.parent / "models.config.tinyvgg").read_text()


def test_what_a_server_of_another_user_can_not_read_is_told_once(store, push):
    before = os.umask(0o077)
    try:
        push("a", "b")
    finally:
        os.umask(before)
    [warning] = store.warnings()
    assert warning.endswith(f"`chmod -R a+rX {store.directory.parent}` lets it.")
    subprocess.run(["chmod", "-R", "a+rX", store.directory.parent], check=True)
    assert store.warnings() == []


@pytest.mark.parametrize(
    ("part", "mode", "remedy"),
    [
        ("..", 0o750, "serving"),
        (".", 0o751, "serving/tinyvgg"),
        ("1", 0o755 & ~0o004, "serving/tinyvgg"),
        ("1/variables", 0o754, "serving/tinyvgg"),
        ("1/saved_model.pb", 0o640, "serving/tinyvgg"),
        ("../models.config", 0o640, "serving"),
    ],
)
def test_each_part_of_the_way_to_a_version_is_looked_at(store, push, tmp_path, part, mode, remedy):
    push("a")
    assert store.warnings() == []
    (store.directory / part).chmod(mode)
    [warning] = store.warnings()
    assert str((store.directory / part).resolve()) in warning
    assert f"`chmod -R a+rX {tmp_path / remedy}`" in warning


def test_directory_without_a_version_need_not_be_readable(store, directory):
    directory.mkdir(parents=True)
    directory.chmod(0o700)
    assert store.warnings() == []


def test_version_that_is_aside_need_not_be_readable(store, push):
    push("a", "b")
    store.rollback()
    (store.directory / ".withdrawn").chmod(0o700)
    assert store.warnings() == []


def test_directory_that_is_a_file_is_a_sentence(store, directory):
    directory.parent.mkdir(parents=True)
    directory.write_text("a file")
    with pytest.raises(StoreError, match="can't be read: Not a directory"):
        store.versions()
    assert len(store.warnings()) == 1
    with pytest.raises(StoreError):
        store.recover()


def test_warnings_of_a_damaged_store_are_a_warning(store, push):
    push("a")
    (store.directory / MANIFEST_FILE).write_text("[]")
    [warning] = store.warnings()
    assert "is damaged: restore it, or remove it" in warning


def test_version_that_this_user_may_not_read_stays_in_service(store, make_model, monkeypatch):
    store.push(make_model("boot"), ModelFacts())
    live = store.find().path
    read = files.sha256

    def sha256(path):
        if live in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(files, "sha256", sha256)
    assert store.push(make_model("sandal"), ModelFacts()).version == 2
    assert [one.number for one in store.versions() if one.visible] == [2, 1]
