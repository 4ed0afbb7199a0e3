import numpy as np
import pytest

from pipeline import config
from pipeline.data import splitting
from pipeline.data.idx import LabelledImages


def labelled(labels):
    """Images of one pixel, that tells their place."""
    return LabelledImages(np.arange(len(labels)).reshape(-1, 1, 1), np.array(labels))


def places(split):
    return split.images.ravel().tolist()


def test_eval_has_the_share_of_each_class_and_train_has_the_rest_shuffled():
    train = labelled([0] * 10 + [1] * 20 + [2] * 30)
    splits = splitting.set_aside_eval(train, config.Dataset(eval_examples=12))
    assert np.bincount(splits["eval"].labels).tolist() == [2, 4, 6]
    assert sorted(places(splits["train"]) + places(splits["eval"])) == list(range(60))
    assert places(splits["train"]) != sorted(places(splits["train"]))


def test_images_keep_their_labels():
    train = labelled(list(range(10)) * 3)
    splits = splitting.set_aside_eval(train, config.Dataset(eval_examples=10))
    for split in splitting.limit(splits, config.Dataset(max_examples=5)).values():
        assert split.labels.tolist() == [place % 10 for place in places(split)]


@pytest.mark.parametrize("count", [30, 31])
def test_an_eval_that_leaves_nothing_to_train_on_is_refused(refusal, count):
    settings = config.Dataset(eval_examples=count)
    with refusal(f"dataset.eval_examples = {count} leaves nothing", "should be less than 30"):
        splitting.set_aside_eval(labelled([1] * 30), settings)


def test_no_limit_leaves_the_splits_as_they_are():
    splits = {"test": labelled([1, 0, 2])}
    assert splitting.limit(splits, config.Dataset()) is splits


def test_a_limit_keeps_the_share_of_each_class_in_each_split():
    splits = {"train": labelled([0] * 50 + [1] * 50), "test": labelled([0] * 3 + [1] * 9)}
    limited = splitting.limit(splits, config.Dataset(max_examples=8))
    assert np.bincount(limited["train"].labels).tolist() == [4, 4]
    assert np.bincount(limited["test"].labels).tolist() == [2, 6]


def test_another_seed_draws_others():
    splits = {"train": labelled([0] * 50)}
    first, second = (
        splitting.limit(splits, config.Dataset(max_examples=8, seed=seed))["train"]
        for seed in (0, 1)
    )
    assert places(first) != places(second)
