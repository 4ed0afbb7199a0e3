from pathlib import Path

import pytest

from pipeline.data.forms import naming
from trainer_module import features


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("fashion-mnist_train.csv", "train"),
        ("test-00000-of-00001.parquet", "test"),
        ("Validation", "eval"),
        ("val.csv", "eval"),
        ("trains.csv", None),
        ("latest.csv", None),
        ("train_or_test.csv", None),
    ],
)
def test_split_is_a_word_of_the_name(name, split):
    assert naming.find_split(name) == split


@pytest.mark.parametrize("label", range(features.NUM_CLASSES))
def test_class_is_found_by_its_name_and_by_its_label(label):
    name = features.CLASS_NAMES[label]
    spelled = [name.replace("/", "_"), name.replace("/", "-").upper(), name.lower(), str(label)]
    assert [naming.find_class(Path("in", one)) for one in spelled] == [label] * 4


@pytest.mark.parametrize("name", ["T-shirt_top", "tshirt", "T shirt", "t-shirt-top", "Top"])
def test_names_joined_by_a_slash_may_stand_alone_or_joined(name):
    assert naming.find_class(Path(name)) == 0


def test_part_of_a_name_that_two_classes_have_is_no_name(monkeypatch, refusal):
    monkeypatch.setattr(features, "CLASS_NAMES", ("Top/shirt", "Top/dress", "Dress"))
    monkeypatch.setattr(features, "NUM_CLASSES", 3)
    assert naming.find_class(Path("shirt")) == 0
    # The whole name of one goes before the part of another.
    assert naming.find_class(Path("dress")) == 2
    with refusal("top is named after no class", "Top/shirt, Top/dress, Dress"):
        naming.find_class(Path("top"))


@pytest.mark.parametrize("name", ["Hat", "10", "-", "Shirts"])
def test_folder_of_another_name_is_refused(name, refusal):
    with refusal(f"in/{name} is named after no class", "T-shirt/top, Trouser", "0 to 9"):
        naming.find_class(Path("in", name))
