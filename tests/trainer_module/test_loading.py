import os
import shutil
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.autograph.impl import api

from pipeline import config
from trainer_module import augmentation, features, held, kept_splits, loading, preprocessing

BATCH, STEPS, LAST = 32, 2, 28
"""The eval split's 60 examples in batches."""


@pytest.fixture(scope="module")
def load(records, tmp_path_factory):
    """Takes names of splits and the budget in megabytes; returns them loaded."""

    def load(*names, memory_mb, keep=False):
        scratch = tmp_path_factory.mktemp("scratch")
        asked = [records[name] for name in names]
        return loading.load_splits(asked, memory_mb, scratch, keep=keep)

    return load


@pytest.fixture(scope="module")
def streamed(load):
    [split] = load("eval", memory_mb=0)
    return split


@pytest.fixture(scope="module", params=["memory", "streamed"])
def split(request, splits, streamed):
    return {"memory": splits["eval"], "streamed": streamed}[request.param]


@pytest.fixture(scope="module")
def identify(splits):
    """Takes batches of the eval split; returns the indices of the examples, batch by batch."""
    images = splits["eval"].images.numpy()
    index = {image.tobytes(): number for number, image in enumerate(images)}
    assert len(index) == len(images)
    return lambda batches: [
        [index[image.tobytes()] for image in images] for images, _ in batches.as_numpy_iterator()
    ]


def epochs_of(batches):
    """Joins the batches of each epoch."""
    return [
        [index for batch in batches[start : start + STEPS] for index in batch]
        for start in range(0, len(batches), STEPS)
    ]


def assert_equal(first, second):
    pairs = list(zip(first, second.as_numpy_iterator(), strict=True))
    assert pairs
    for (one_images, one_labels), (other_images, other_labels) in pairs:
        np.testing.assert_array_equal(one_images, other_images)
        np.testing.assert_array_equal(one_labels, other_labels)


def test_images_of_a_split_are_float32_in_0_to_1(splits):
    images = splits["train"].images.numpy()
    assert (images.dtype, images.shape) == (np.float32, (300, 28, 28, 1))
    assert (images.min(), images.max()) == (0.0, 1.0)


def test_labels_of_a_split_are_int64(splits):
    labels = splits["eval"].labels
    assert (labels.dtype, labels.shape) == (tf.int64, (60,))


def test_a_split_holds_every_record_in_the_order_of_its_hash(splits, raw_splits):
    images, labels = raw_splits["train"]
    low, high = float(images.min()), float(images.max())
    expected = (images[..., np.newaxis] - low) / (high - low)
    np.testing.assert_allclose(splits["train"].images, expected, atol=1e-6)
    np.testing.assert_array_equal(splits["train"].labels, labels)


def test_the_eval_split_is_scaled_by_the_range_of_the_train_split(splits, raw_splits):
    low, high = (float(edge(raw_splits["train"][0])) for edge in (np.min, np.max))
    expected = (raw_splits["eval"][0][..., np.newaxis] - low) / (high - low)
    np.testing.assert_allclose(splits["eval"].images, expected, atol=1e-6)


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_a_split_longer_than_a_reading_batch_is_read_whole(monkeypatch, load, splits, memory_mb):
    monkeypatch.setattr(loading, "_READ_BATCH", 16)
    [split] = load("eval", memory_mb=memory_mb)
    assert_equal(splits["eval"].batches(BATCH).as_numpy_iterator(), split.batches(BATCH))
    assert split.size == 60


@pytest.mark.parametrize("memory_mb", [1000, 0])
def test_splits_of_several_spans_are_one_in_an_order_that_none_of_them_decides(
    write_artifact, examples_artifact, transform_output, tmp_path, memory_mb
):
    (tmp_path / "other").mkdir()
    both = [write_artifact(tmp_path / "other", shards=2, seed=3), examples_artifact]
    loaded = [
        loading.load_splits(
            [loading.Records.from_artifacts(some, "eval", transform_output)], memory_mb, tmp_path
        )[0]
        for some in (both, both[::-1])
    ]
    assert [split.size for split in loaded] == [120, 120]
    assert_equal(loaded[0].batches(BATCH).as_numpy_iterator(), loaded[1].batches(BATCH))
    # The two spans have the same examples here.
    [[images, labels]] = loaded[0].batches(120).as_numpy_iterator()
    np.testing.assert_array_equal(images[::2], images[1::2])
    np.testing.assert_array_equal(labels[::2], labels[1::2])


@pytest.mark.parametrize("memory_mb", [0, 1000])
def test_an_empty_split_is_an_error_that_names_its_files(load, memory_mb):
    with pytest.raises(ValueError, match=r"no examples in .*Split-empty"):
        load("eval", "empty", memory_mb=memory_mb)


@pytest.fixture
def reads(monkeypatch):
    """Gets the records of each split that is read."""
    read, seen = loading.Records.read, []
    monkeypatch.setattr(
        loading.Records, "read", lambda self, table: seen.append(self) or read(self, table)
    )
    yield seen
    kept_splits.take_all()


@pytest.mark.parametrize("memory_mb", [0, 1000])
def test_a_split_is_read_from_its_files_once(load, records, reads, memory_mb):
    load("eval", "train", memory_mb=memory_mb)
    assert reads == [records["eval"], records["train"]]


def kinds(splits):
    return [type(split) for split in splits]


def test_all_splits_are_kept_in_memory_where_they_fit(load):
    splits = load("eval", "train", memory_mb=2)
    assert kinds(splits) == [loading.MemorySplit] * 2
    assert [split.size for split in splits] == [60, 300]


def test_without_memory_all_splits_are_streamed(load):
    splits = load("eval", "train", memory_mb=0)
    assert kinds(splits) == [loading.StreamedSplit] * 2
    assert [split.size for split in splits] == [60, 300]


@pytest.fixture
def heavy_examples(monkeypatch):
    """The train split alone fits into a megabyte, and so does eval, but not both."""
    monkeypatch.setattr(held, "example_bytes", lambda _: 3000)
    assert 300 * 3000 < 10**6 < 360 * 3000


def test_the_budget_goes_to_the_splits_in_their_order(load, heavy_examples):
    for names in (["eval", "train"], ["train", "eval"]):
        splits = load(*names, memory_mb=1)
        assert kinds(splits) == [loading.MemorySplit, loading.StreamedSplit]


def test_an_image_in_memory_takes_a_byte_a_pixel(splits):
    split = splits["eval"]
    assert split.pixels.dtype == tf.uint8
    assert split.pixels.numpy().nbytes == split.size * 28 * 28


def test_a_streamed_split_is_shuffled_among_a_third_of_what_the_memory_holds(
    monkeypatch, load, heavy_examples
):
    monkeypatch.setattr(loading, "_READ_BATCH", 16)
    [none_left] = load("train", memory_mb=0)
    _, some_left = load("eval", "train", memory_mb=1)
    assert none_left.shuffled == 16
    assert some_left.shuffled == (10**6 - 60 * 3000) // 9000
    assert load("eval", memory_mb=0)[0].shuffled == 16


def test_no_more_is_shuffled_among_than_there_is(streamed):
    assert streamed.shuffled == streamed.size


def test_a_split_that_is_shuffled_in_parts_has_each_example_once_an_epoch(
    monkeypatch, load, identify
):
    monkeypatch.setattr(loading, "_READ_BATCH", 16)
    [split] = load("eval", memory_mb=0)
    batches = loading.training_batches(split, BATCH, seed=3, epochs=3)
    epochs = epochs_of(identify(batches))
    assert [sorted(epoch) for epoch in epochs] == [list(range(60))] * 3
    # The files come in an order of their own as well, and the last is not always the smaller.
    assert len({tuple(sorted(epoch[:16])) for epoch in epochs}) == 3
    assert epochs == epochs_of(identify(loading.training_batches(split, BATCH, seed=3, epochs=3)))


def bits(images):
    return np.asarray(images).view(np.uint32)


@pytest.mark.parametrize("memory_mb", [1000, 0])
def test_batches_have_the_very_bits_of_the_transform_graph(
    load, raw_splits, encode_png, transform_output, memory_mb
):
    images, labels = raw_splits["eval"]
    raw = {features.IMAGE: tf.constant(list(map(encode_png, images))), features.LABEL: labels}
    expected = transform_output.transform_raw_features(raw)[features.IMAGE]
    [split] = load("eval", memory_mb=memory_mb)
    found = [images for images, _ in split.batches(BATCH).as_numpy_iterator()]
    np.testing.assert_array_equal(bits(np.concatenate(found)), bits(expected))


def _standardize(inputs):
    """Looks at the whole of each image."""
    pixels = tf.identity(preprocessing.decode_images(inputs[features.IMAGE]), name="pixels")
    images = tf.cast(pixels, tf.float32)
    return {
        features.IMAGE: tf.image.per_image_standardization(images),
        features.LABEL: inputs[features.LABEL],
    }


def _frame(inputs):
    """Does one thing to a pixel at the edge and another to one of the same value elsewhere."""
    outputs = preprocessing.preprocessing_fn(inputs)
    inside = np.pad(np.ones([26, 26, 1], np.float32), [[1, 1], [1, 1], [0, 0]])
    return {**outputs, features.IMAGE: outputs[features.IMAGE] * inside}


def _gamma(inputs):
    """Goes by the value of a pixel alone, but is no division."""
    outputs = preprocessing.preprocessing_fn(inputs)
    return {**outputs, features.IMAGE: outputs[features.IMAGE] ** 0.5}


@pytest.mark.parametrize("memory_mb", [1000, 0])
@pytest.mark.parametrize(
    ("preprocessing_fn", "kept"),
    [(_standardize, tf.float32), (_frame, tf.float32), (_gamma, tf.uint8)],
)
def test_another_transform_graph_is_applied_as_it_is(
    transform,
    raw_splits,
    encode_png,
    split_files,
    data_accessor,
    tmp_path,
    preprocessing_fn,
    kept,
    memory_mb,
):
    images, labels = raw_splits["eval"]
    pngs = list(map(encode_png, images))
    rows = [
        {features.IMAGE: png, features.LABEL: label}
        for png, label in zip(pngs, labels, strict=True)
    ]
    transform(rows, tmp_path, preprocessing_fn)
    output = tft.TFTransformOutput(str(tmp_path))
    records = loading.Records(split_files("eval"), data_accessor, output)
    [split] = loading.load_splits([records], memory_mb, tmp_path)
    raw = {features.IMAGE: tf.constant(pngs), features.LABEL: labels}
    expected = output.transform_raw_features(raw)[features.IMAGE]
    found = list(split.batches(BATCH).as_numpy_iterator())
    np.testing.assert_array_equal(bits(np.concatenate([one for one, _ in found])), bits(expected))
    np.testing.assert_array_equal(np.concatenate([some for _, some in found]), labels)
    dtype = split.dtype if memory_mb == 0 else split.pixels.dtype
    assert dtype == kept


def test_streamed_batches_equal_those_from_memory(splits, streamed):
    in_memory = splits["eval"].batches(BATCH).as_numpy_iterator()
    assert_equal(in_memory, streamed.batches(BATCH))


def test_batches_keep_the_order_every_time(split, identify):
    batches = split.batches(BATCH)
    assert epochs_of(identify(batches)) == epochs_of(identify(batches)) == [list(range(60))]


def test_the_last_batch_is_smaller(split, identify):
    assert [len(batch) for batch in identify(split.batches(BATCH))] == [BATCH, LAST]


def test_a_batch_may_be_larger_than_the_split(split, identify):
    [batch] = identify(loading.training_batches(split, 64, seed=3, epochs=1))
    assert sorted(batch) == list(range(60))


def test_training_batches_hold_images_and_labels_that_belong_together(split, splits):
    whole = splits["eval"]
    pairs = zip(whole.images.numpy(), whole.labels.numpy(), strict=True)
    label_of = {image.tobytes(): label for image, label in pairs}
    batches = loading.training_batches(split, BATCH, seed=3, epochs=1)
    for images, labels in batches.as_numpy_iterator():
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert [label_of[image.tobytes()] for image in images] == labels.tolist()


def test_every_epoch_has_each_example_once_in_an_order_of_its_own(split, identify):
    epochs = epochs_of(identify(loading.training_batches(split, BATCH, seed=3, epochs=3)))
    assert [sorted(epoch) for epoch in epochs] == [list(range(60))] * 3
    assert len({tuple(epoch) for epoch in [list(range(60)), *epochs]}) == 4


def test_no_batch_straddles_two_epochs(split, identify):
    batches = identify(loading.training_batches(split, BATCH, seed=3, epochs=3))
    assert [len(batch) for batch in batches] == [BATCH, LAST] * 3


def test_the_same_seed_gives_the_same_orders(split, identify):
    first, second = (
        identify(loading.training_batches(split, BATCH, seed=3, epochs=2)) for _ in range(2)
    )
    assert first == second


def test_neighbouring_seeds_share_no_order(split, identify):
    orders = [
        tuple(epoch)
        for seed in (3, 4)
        for epoch in epochs_of(
            identify(loading.training_batches(split, BATCH, seed=seed, epochs=2))
        )
    ]
    assert len(set(orders)) == 4


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_lowest_and_the_largest_seed_are_taken(split, seed):
    # As the Trainer does.
    keras.utils.set_random_seed(seed)
    augment = partial(augmentation.augment, flip=True, shift=1, erase=0.0, erase_size=1)
    batches = loading.training_batches(split, BATCH, seed=seed, epochs=1, augment=augment)
    assert [len(labels) for _, labels in batches.as_numpy_iterator()] == [BATCH, LAST]


@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("first_epoch", [1, 2])
def test_later_epochs_are_those_of_the_unbroken_training(split, augmented, first_epoch):
    augment = partial(augmentation.augment, flip=True, shift=2, erase=0.5, erase_size=9)
    batches = partial(
        loading.training_batches,
        split,
        BATCH,
        seed=3,
        epochs=3,
        augment=augment if augmented else None,
    )
    unbroken = list(batches().as_numpy_iterator())
    assert_equal(unbroken[first_epoch * STEPS :], batches(first_epoch=first_epoch))


def test_augmentation_gets_the_images_alone(split):
    batches = partial(loading.training_batches, split, BATCH, seed=3, epochs=1)
    plain = [labels.tolist() for _, labels in batches().as_numpy_iterator()]
    erased = list(batches(augment=lambda images, _: images * 0).as_numpy_iterator())
    assert [labels.tolist() for _, labels in erased] == plain
    assert not any(images.any() for images, _ in erased)


@pytest.mark.parametrize(("part", "expected"), [(0, [3] * 6), (1, [0, 1, 2, 3, 4, 5])])
def test_the_seed_of_an_augmentation_is_the_training_s_and_the_step(split, part, expected):
    def show(images, seed):
        assert seed.dtype == tf.int64
        return tf.zeros_like(images) + tf.cast(seed[part], tf.float32)

    batches = loading.training_batches(split, BATCH, seed=3, epochs=3, augment=show)
    assert [images.max() for images, _ in batches.as_numpy_iterator()] == expected


def test_an_image_is_augmented_anew_in_each_epoch(split):
    augment = partial(augmentation.augment, flip=False, shift=2, erase=0.0, erase_size=1)
    batches = list(
        loading.training_batches(split, 64, seed=3, epochs=2, augment=augment).as_numpy_iterator()
    )
    first, second = ({image.tobytes() for image in images} for images, _ in batches)
    assert len(first & second) < 20


@pytest.mark.parametrize("augment", [None, lambda images, _: images])
def test_batches_leave_out_the_autotuning_whose_thread_stalls_the_end_of_an_epoch(split, augment):
    training = loading.training_batches(split, BATCH, seed=3, epochs=1, augment=augment)
    for batches in (training, split.batches(BATCH)):
        assert batches.options().autotune.enabled is False


def test_workers_hand_on_batches_in_order(split):
    for batches in (loading.training_batches(split, BATCH, seed=3, epochs=1), split.batches(BATCH)):
        assert batches.options().deterministic is True


@pytest.mark.parametrize("memory_mb", [0, 100])
def test_nothing_is_converted_by_autograph(monkeypatch, load, memory_mb):
    """What the layer of the transform graph calls would take it seconds."""
    convert, converted = api._convert_actual, set()

    def record(entity, context):
        converted.add(entity.__module__)
        return convert(entity, context)

    monkeypatch.setattr(api, "_convert_actual", record)
    [split] = load("eval", memory_mb=memory_mb)
    augment = partial(augmentation.augment, flip=True, shift=1, erase=0.5, erase_size=4)
    training = loading.training_batches(split, BATCH, seed=3, epochs=1, augment=augment)
    for batches in (training, split.batches(BATCH)):
        assert len(list(batches)) == STEPS
    # Which checks what is to be parsed in a function of its own.
    assert converted <= {"tfx_bsl.tfxio.tf_example_record"}


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 60), (30, 2), (32, 2), (59, 2), (60, 1)])
def test_steps_of_an_epoch_include_its_smaller_last_batch(split, batch_size, steps):
    assert loading.steps_per_epoch(split, batch_size) == steps


def test_the_setting_says_how_much_an_image_takes():
    description = config.Training.model_fields["memory_mb"].description
    assert f"{held.example_bytes(tf.uint8)} bytes an image" in description


def test_what_is_kept_is_taken_over_by_the_next_call_alone(load, records, reads):
    [first] = load("train", memory_mb=1000, keep=True)
    _, second = load("eval", "train", memory_mb=1000)
    assert reads == [records["train"], records["eval"]]
    assert second is first
    _, third = load("eval", "train", memory_mb=1000)
    assert third is not first
    assert len(reads) == 4


def test_without_being_asked_nothing_is_kept(load, reads):
    load("train", memory_mb=1000)
    load("train", memory_mb=1000)
    assert len(reads) == 2


def test_another_split_is_not_taken_over(load, records, reads):
    load("train", memory_mb=1000, keep=True)
    load("eval", memory_mb=1000)
    assert reads == [records["train"], records["eval"]]


def test_what_does_not_fit_any_more_is_not_taken_over(load, reads):
    load("train", memory_mb=1000, keep=True)
    [split] = load("train", memory_mb=0)
    assert isinstance(split, loading.StreamedSplit)


def test_what_is_streamed_is_not_kept_as_its_files_go(load, reads):
    [first] = load("train", memory_mb=0, keep=True)
    [second] = load("train", memory_mb=0)
    assert second is not first
    assert len(reads) == 2


@pytest.mark.parametrize("changed", ["examples", "graph"])
def test_files_that_have_changed_are_read_anew(
    write_artifact, transform_output, tmp_path, reads, changed
):
    (tmp_path / "examples").mkdir()
    graph = shutil.copytree(transform_output._transform_output_dir, tmp_path / "graph")
    output = tft.TFTransformOutput(str(graph))
    artifact = write_artifact(tmp_path / "examples")
    records = loading.Records.from_artifacts([artifact], "eval", output)
    loading.load_splits([records], 1000, tmp_path, keep=True)
    [file] = Path(artifact.uri, "Split-eval").iterdir()
    file = (
        file if changed == "examples" else Path(output.transform_savedmodel_dir, "saved_model.pb")
    )
    os.utime(file, (1, 1))
    loading.load_splits([records], 1000, tmp_path)
    assert reads == [records, records]
