import os

import pytest

from components.model_store.manifest import StoreError
from tests.components.model_store.stores import FACTS, live, numbers, served_config, visible


def test_name_keeps_its_spelling_on_the_disk(store, put, push):
    place = put("00000123")
    assert store.find(123).path == place
    assert live(store) == 123
    assert push("a", "b") == [124, 125]
    store.rollback(123)
    assert [path.name for path in store.directory.glob("[0-9]*")] == ["00000123"]
    store.rollback(125)
    store.rollback(124)
    store.rollback(123)
    assert store.rollback(125).number == 125
    assert sorted(path.name for path in store.directory.glob("[0-9]*")) == ["00000123", "125"]


def test_version_with_leading_zeros_goes_aside_and_comes_back_as_it_was(store, put, push):
    put("0007")
    put("0009")
    store.rollback(7)
    assert (store.directory / ".withdrawn" / "0009").is_dir()
    assert store.find(9).path == store.directory / ".withdrawn" / "0009"
    assert store.rollback(9).path == store.directory / "0009"
    assert push("a") == [10]


def test_stray_is_no_version_and_never_moves(store, push, make_stray):
    push("a", "b")
    stray = store.directory / "9"
    make_stray(stray)
    before = os.lstat(stray)
    assert live(store) == 2
    assert store.rollback().number == 1
    with pytest.raises(StoreError, match="no sound version before 1"):
        store.rollback()
    for operate in (store.find, store.rollback, store.pin):
        with pytest.raises(StoreError, match="/9 is no version, as it "):
            operate(9)
    assert os.lstat(stray).st_ino == before.st_ino
    assert push("c") == [10]
    assert live(store) == 10
    assert numbers(store.prune(store.superfluous(1, withdrawn=True))) == [2, 1]
    assert os.lstat(stray).st_ino == before.st_ino


def test_stray_is_named_with_what_to_do(store, push, make_stray):
    push("a")
    make_stray(store.directory / "9")
    [warning] = store.warnings()
    assert str(store.directory / "9") in warning
    assert "a server that polls the directory would try to load it; move it away" in warning


def test_stray_alone_is_nothing_to_serve(store, directory, make_stray):
    directory.mkdir(parents=True)
    make_stray(directory / "9")
    assert store.versions() == []
    with pytest.raises(StoreError, match="no version to serve"):
        store.find()


def test_server_that_reads_models_config_is_not_sent_to_a_stray(store, push, make_stray):
    push("a", "b", "c")
    make_stray(store.directory / "9")
    store.recover()
    assert served_config(store)[2:] == ([3, 2], {"live": 3, "previous": 2})


@pytest.mark.parametrize(
    ("names", "number", "chosen"),
    [
        (["123", "00000123"], 123, "123"),
        (["0123", "00000123"], 123, "0123"),
        (["0", "00"], 0, "0"),
    ],
)
def test_second_spelling_of_a_number_is_a_stray(store, put, push, names, number, chosen):
    for name in names:
        put(name)
    [version] = store.versions()
    assert (version.number, version.path.name, version.live) == (number, chosen, True)
    assert any(f"as {chosen} is version {number} already" in one for one in store.warnings())
    assert push("a") == [number + 1]
    store.rollback(number)
    assert {path.name for path in store.directory.glob("[0-9]*")} == set(names)


def test_spelling_that_is_a_model_is_the_version(store, put, make_stray):
    place = put("00000123")
    make_stray(store.directory / "123")
    assert store.find().path == place
    assert any(str(store.directory / "123") in one for one in store.warnings())


@pytest.mark.parametrize("name", ["9" * 19, "9" * 200, "-" + "9" * 30])
def test_number_that_no_server_reads_is_no_version(store, put, push, name):
    put(name)
    assert push("a") == [1]
    assert live(store) == 1
    assert any("no server reads a number of that size" in one for one in store.warnings())


def test_no_push_follows_the_highest_number_that_a_server_reads(store, put, make_model):
    put(str(2**63 - 1))
    assert live(store) == 2**63 - 1
    with pytest.raises(StoreError, match="a server reads no higher number"):
        store.push(make_model("a"), FACTS)


@pytest.mark.parametrize("name", ["-5", "+5", " 5"])
def test_name_that_a_server_reads_as_a_number_is_a_stray(store, put, push, name):
    put(name)
    push("a")
    assert numbers(store.versions()) == [6 if name != "-5" else 1]
    assert any("has digits alone" in one for one in store.warnings())


@pytest.mark.parametrize("name", ["٥", "五", "5a", "5.0", "five", "1_000", "²"])
def test_name_that_no_server_reads_as_a_number_is_left_alone(store, put, push, name):
    put(name)
    assert push("a") == [1]
    assert numbers(store.versions()) == [1]
    assert store.warnings() == []


def test_link_to_a_model_is_a_version_that_goes_aside_and_comes_back(store, push, put, tmp_path):
    push("a")
    put("elsewhere", tmp_path / "serving")
    for number, target in ((2, "../elsewhere"), (3, tmp_path / "serving" / "elsewhere")):
        (store.directory / str(number)).symlink_to(target)
    assert live(store) == 3
    store.rollback(1)
    assert visible(store) == [1]
    for number in (2, 3):
        assert store.rollback(number).live
        assert (store.directory / str(number) / "saved_model.pb").exists()
