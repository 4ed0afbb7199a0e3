import numpy as np
import pytest

from trainer_module import input  # noqa: A004


@pytest.fixture(scope="module")
def numbered():
    """Ten examples; the first pixel and the label tell each from the others."""
    images = np.zeros((10, 28, 28, 1), np.float32)
    images[:, 0, 0, 0] = np.arange(10) / 10
    return input.Split(images, np.arange(10, dtype=np.int64))


def labels_of(batches):
    return [label for _, labels in batches.as_numpy_iterator() for label in labels.tolist()]


def test_images_of_a_split_are_float32_in_0_to_1(splits):
    images = splits["train"].images
    assert (images.dtype, images.shape) == (np.float32, (300, 28, 28, 1))
    assert (images.min(), images.max()) == (0.0, 1.0)


def test_labels_of_a_split_are_int64(splits):
    labels = splits["eval"].labels
    assert (labels.dtype, labels.shape) == (np.int64, (60,))


def test_a_split_holds_every_record_in_the_order_of_the_file(splits, raw_splits):
    images, labels = raw_splits["train"]
    low, high = float(images.min()), float(images.max())
    expected = (images[..., np.newaxis] - low) / (high - low)
    np.testing.assert_allclose(splits["train"].images, expected, atol=1e-6)
    np.testing.assert_array_equal(splits["train"].labels, labels)


def test_the_eval_split_is_scaled_by_the_range_of_the_train_split(splits, raw_splits):
    low, high = (float(edge(raw_splits["train"][0])) for edge in (np.min, np.max))
    expected = (raw_splits["eval"][0][..., np.newaxis] - low) / (high - low)
    np.testing.assert_allclose(splits["eval"].images, expected, atol=1e-6)


def test_a_split_longer_than_a_transform_batch_is_read_whole(
    monkeypatch, split_files, data_accessor, transform_output, raw_splits
):
    monkeypatch.setattr(input, "_TRANSFORM_BATCH", 16)
    split = input.load_split(split_files("eval"), data_accessor, transform_output)
    np.testing.assert_array_equal(split.labels, raw_splits["eval"][1])
    assert len(split.images) == len(split.labels)


def test_an_empty_split_is_an_error_that_names_its_files(
    split_files, data_accessor, transform_output
):
    with pytest.raises(ValueError, match=r"no examples in .*Split-empty"):
        input.load_split(split_files("empty"), data_accessor, transform_output)


def test_batches_hold_images_and_labels_that_belong_together(numbered):
    batches = input.to_batches(numbered, 4, shuffle_seed=3)
    for images, labels in batches.as_numpy_iterator():
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert images.shape == (len(labels), 28, 28, 1)
        np.testing.assert_allclose(images[:, 0, 0, 0] * 10, labels, atol=1e-5)


def test_the_last_batch_is_smaller(numbered):
    batches = input.to_batches(numbered, 4)
    assert [len(labels) for _, labels in batches.as_numpy_iterator()] == [4, 4, 2]
    assert len(batches) == 3


def test_a_batch_may_be_larger_than_the_split(numbered):
    [(images, _)] = input.to_batches(numbered, 64, shuffle_seed=0).as_numpy_iterator()
    assert len(images) == 10


def test_without_a_seed_every_epoch_keeps_the_order(numbered):
    batches = input.to_batches(numbered, 4)
    assert labels_of(batches) == labels_of(batches) == list(range(10))


def test_with_a_seed_every_epoch_has_each_example_once_in_an_order_of_its_own(numbered):
    batches = input.to_batches(numbered, 4, shuffle_seed=3)
    epochs = [labels_of(batches) for _ in range(3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert len({tuple(epoch) for epoch in [list(range(10)), *epochs]}) == 4


def test_the_same_seed_gives_the_same_orders(numbered):
    first, second = (input.to_batches(numbered, 4, shuffle_seed=3) for _ in range(2))
    assert [labels_of(first) for _ in range(3)] == [labels_of(second) for _ in range(3)]


def test_another_seed_gives_another_order(numbered):
    first, second = (input.to_batches(numbered, 4, shuffle_seed=seed) for seed in (3, 4))
    assert labels_of(first) != labels_of(second)


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_leave_out_the_autotuning_whose_thread_stalls_the_end_of_an_epoch(numbered, seed):
    batches = input.to_batches(numbered, 4, shuffle_seed=seed)
    assert batches.options().autotune.enabled is False
