from pathlib import Path

import pytest

from pipeline import presets
from pipeline.config import PROJECT_DIRECTORY, load_config


def test_presets_are_known_by_their_names():
    assert presets.names() == ["fast", "original", "smoke", "tiny", "wide"]


@pytest.mark.parametrize("name", presets.names())
def test_preset_is_a_file_beside_the_others(name):
    assert presets.find(name) == PROJECT_DIRECTORY / "pipeline" / "presets" / f"{name}.toml"
    assert load_config(presets.find(name))


@pytest.mark.parametrize("path", ["here/tiny", "none.toml", "./none", "/tiny.toml"])
def test_what_looks_like_a_path_is_one_though_nothing_is_there(path):
    assert presets.find(path) == Path(path)


def test_file_without_a_suffix_is_found_and_a_preset_counts_for_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "tiny"):
        (tmp_path / name).touch()
    assert presets.find("mine") == Path("mine")
    assert presets.find("tiny").suffix == ".toml"


def test_unknown_name_is_a_sentence_with_those_there_are(refusal):
    with refusal(
        "no preset 'zzz', and no file of that name: there are fast, original, smoke, tiny, wide"
    ):
        presets.find("zzz")


@pytest.mark.parametrize("name", ["tinny", "smok", "Tiny"])
def test_unknown_name_that_is_almost_right_is_told_the_right_one(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(presets.UserError, match=r": did you mean (tiny|smoke)\?$"):
        presets.find(name)


def test_name_that_is_too_long_for_a_file_is_a_sentence(refusal):
    with refusal("There is no preset"):
        presets.find("x" * 5000)
