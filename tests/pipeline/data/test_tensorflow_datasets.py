"""Fashion-MNIST as TensorFlow Datasets has it."""

import json

import pytest

from tests.pipeline.data.preparing import prepare, sizes


def describe(tfds, train_lengths):
    splits = [{"name": "train", "shardLengths": train_lengths}, {"name": "test"}]
    (tfds.directory / "dataset_info.json").write_text(json.dumps({"splits": splits}))


def test_tensorflow_datasets_is_split_as_the_official_files_are(tfds, parent, read):
    prepared = prepare(tfds, parent, eval_examples=10)
    assert prepared.source == tfds
    assert sizes(prepared) == {"train": 30, "eval": 10, "test": 20}
    assert list(prepared.examples["eval"].values()) == [1] * 10
    for split in ("train", "eval", "test"):
        assert all(image == bytes([label]) * 784 for image, label in read(prepared, split))


def test_the_test_split_of_tensorflow_datasets_becomes_test(tfds, parent, read):
    prepared = prepare(tfds, parent, eval_examples=10)
    assert [label for _, label in read(prepared, "test")] == [*range(9, -1, -1)] * 2


def test_all_shards_of_tensorflow_datasets_are_read(tfds, parent, write_records):
    shard = "fashion_mnist-train.tfrecord-0000{}-of-00002"
    whole = tfds.directory / "fashion_mnist-train.tfrecord-00000-of-00001"
    whole.rename(tfds.directory / shard.format(0))
    write_records(tfds.directory / shard.format(1), [5] * 6)
    prepared = prepare(tfds, parent, eval_examples=10)
    assert sizes(prepared)["train"] + sizes(prepared)["eval"] == 46


def test_tensorflow_datasets_prepared_anew_is_read_anew(tfds, parent, write_records):
    before = prepare(tfds, parent, eval_examples=10)
    write_records(tfds.directory / "fashion_mnist-test.tfrecord-00000-of-00001", [1, 2, 3])
    after = prepare(tfds, parent, eval_examples=10)
    assert after.directory != before.directory
    assert sizes(after)["test"] == 3


@pytest.mark.parametrize("split", ["train", "test"])
def test_tensorflow_datasets_without_a_split_is_refused(tfds, parent, refusal, split):
    (tfds.directory / f"fashion_mnist-{split}.tfrecord-00000-of-00001").unlink()
    with refusal(tfds.directory, f"fashion_mnist's {split} split", "prepare it anew"):
        prepare(tfds, parent, eval_examples=10)
    assert not parent.exists()


def test_a_damaged_record_of_tensorflow_datasets_is_refused(tfds, parent, refusal):
    file = tfds.directory / "fashion_mnist-test.tfrecord-00000-of-00001"
    file.write_bytes(file.read_bytes()[:-5])
    with refusal(f"{file} is damaged at record 20: the file is cut off; prepare it anew"):
        prepare(tfds, parent, eval_examples=10)
    assert not parent.exists()


def test_a_file_of_tensorflow_datasets_that_cannot_be_read_is_refused(tfds, parent, refusal):
    file = tfds.directory / "fashion_mnist-test.tfrecord-00000-of-00001"
    file.unlink()
    file.mkdir()
    with refusal(file, "can't be read: Is a directory"):
        prepare(tfds, parent, eval_examples=10)
    assert not parent.exists()


@pytest.mark.parametrize("lost", [0, 1])
def test_tensorflow_datasets_that_lost_a_shard_is_refused(
    tfds, parent, refusal, write_records, lost
):
    whole = tfds.directory / "fashion_mnist-train.tfrecord-00000-of-00001"
    whole.rename(whole.with_name(f"fashion_mnist-train.tfrecord-0000{1 - lost}-of-00002"))
    name = f"fashion_mnist-train.tfrecord-0000{lost}-of-00002"
    with refusal(f"{tfds.directory} lacks {name}", "prepare it anew"):
        prepare(tfds, parent, eval_examples=10)
    assert not parent.exists()


def test_tensorflow_datasets_must_hold_what_its_description_says(tfds, parent, refusal):
    describe(tfds, ["30", "10"])
    assert sizes(prepare(tfds, parent / "a", eval_examples=10))["train"] == 30
    describe(tfds, ["30", "30"])
    with refusal(f"{tfds.directory} has 40 examples of train", "dataset_info.json says 60"):
        prepare(tfds, parent / "b", eval_examples=10)
    assert not (parent / "b").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"splits": 3}'])
def test_a_damaged_description_of_tensorflow_datasets_is_refused(tfds, parent, refusal, text):
    (tfds.directory / "dataset_info.json").write_text(text)
    with refusal(tfds.directory / "dataset_info.json", "is damaged", "prepare it anew"):
        prepare(tfds, parent, eval_examples=10)


def test_a_description_of_tensorflow_datasets_that_cannot_be_read_is_refused(tfds, parent, refusal):
    (tfds.directory / "dataset_info.json").unlink()
    with refusal(tfds.directory / "dataset_info.json", "can't be read: No such file"):
        prepare(tfds, parent, eval_examples=10)
