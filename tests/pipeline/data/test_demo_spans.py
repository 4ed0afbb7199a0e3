import numpy as np
import pytest

from pipeline import config
from pipeline.data import demo_spans, kinds, patterns, records
from pipeline.data.idx import LabelledImages
from tests.pipeline.data.test_preparation import sums
from trainer_module import features

SPLITS = ("train", "eval", "test")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(demo_spans, "SIZES", {"train": 200, "eval": 50, "test": 50})


def draw(per_class):
    """Splits with as many images of each class, no two of them the same."""
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(10), per_class)
    return {
        name: LabelledImages(random.integers(0, 256, (len(labels), 28, 28), np.uint8), labels)
        for name in SPLITS
    }


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_spans, "SIZES", {"train": 200, "eval": 50, "test": 50})
        return demo_spans.make(draw(120))


def shares(split):
    return np.bincount(split.labels, minlength=10) / len(split.labels)


def images(split):
    return {image.tobytes() for image in split.images}


def test_each_span_has_every_split_in_its_size(made):
    sizes = [[len(span.splits[name].labels) for name in SPLITS] for span in made]
    assert np.allclose(sizes, [[200, 50, 50]] * 4, atol=5)
    assert [span.number for span in made] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", SPLITS)
def test_the_second_has_four_images_in_ten_of_one_class(made, name):
    first, second, *others = (shares(span.splits[name]) for span in made)
    assert second[-1] == pytest.approx(0.4, abs=0.04)
    assert np.allclose(others, 0.1)
    assert name == "train" or np.allclose(first, 0.1)
    assert made[1].text == "40% of the images are of the class Ankle boot"


@pytest.mark.parametrize("name", SPLITS)
def test_no_image_is_in_two_spans_until_the_last_corrects_the_first(made, name):
    first, second, _, fourth = (images(span.splits[name]) for span in made)
    assert not first & second
    assert not first & {(255 - image).tobytes() for image in made[2].splits[name].images}
    assert fourth == first


def test_the_third_is_inverted(made):
    known = images(draw(120)["train"])
    assert not images(made[2].splits["train"]) & known
    assert {(255 - image).tobytes() for image in made[2].splits["train"].images} <= known


def test_some_training_labels_of_the_first_are_wrong_and_are_corrected_by_the_last(made):
    first, last = made[0].splits, made[3].splits
    wrong = first["train"].labels != last["train"].labels
    assert wrong.mean() == pytest.approx(0.04)
    confused = {features.CLASS_NAMES[label] for label in last["train"].labels[wrong]}
    assert confused == set(features.DATASET.confused)
    for name in ("eval", "test"):
        assert (first[name].labels == last[name].labels).all()


def test_the_spans_are_the_same_every_time(made):
    again = demo_spans.make(draw(120))
    for one, other in zip(made, again, strict=True):
        assert (one.splits["train"].images == other.splits["train"].images).all()


def test_too_few_images_are_refused(refusal):
    with refusal("There are too few images of", "for four spans", "--data-dir"):
        demo_spans.make(draw(30))


def test_the_first_is_found_at_once_and_another_once_it_is_moved(made, tmp_path):
    directory = tmp_path / "demo"
    demo_spans.write(directory, made)
    pattern = config.Dataset().pattern
    source = kinds.OwnRecords(directory / "spans")
    assert [span.age for span in source.find_spans(pattern)] == [(1, 1)]
    assert source.count(config.Dataset()).examples["eval"] == records.count_classes(
        made[0].splits["eval"].labels
    )
    (directory / "incoming" / "span-3").rename(directory / "spans" / "span-3")
    assert patterns.find_spans(directory / "spans", pattern)[-1].age == (3, 1)


def test_a_directory_in_use_is_left_as_it_is(made, tmp_path, refusal):
    (tmp_path / "mine").write_text("mine")
    before = sums(tmp_path)
    with refusal(f"{tmp_path} is not empty"):
        demo_spans.write(tmp_path, made)
    assert sums(tmp_path) == before
