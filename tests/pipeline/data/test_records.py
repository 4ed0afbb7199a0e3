import hashlib
import io
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.data import examples, records, writing
from pipeline.data.idx import LabelledImages
from trainer_module import features

SHARD = "span-1/version-1/{}.tfrecord.gz"


def labelled(count, seed=0):
    """Noise, where no two neighbouring pixels go together, and labels from 0 on."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
    return LabelledImages(images, np.arange(count, dtype=np.int64) % 10)


@pytest.fixture
def directory(tmp_path):
    """Where records appear, in a parent that has nothing else in it."""
    return tmp_path / "parent" / "records"


def files_of(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_every_pixel_and_label_survives_in_order(directory, read_records):
    split = labelled(40)
    records.write_splits(directory, {"train": split}, {})
    found = read_records(directory.glob("span-1/version-1/train-*"))
    np.testing.assert_array_equal([decode(png) for png, _ in found], split.images)
    assert [label for _, label in found] == split.labels.tolist()


def test_an_image_is_a_grey_png_of_8_bits(directory, read_records):
    records.write_splits(directory, {"train": labelled(1)}, {})
    [(png, _)] = read_records(directory.glob("span-1/version-1/*"))
    assert png.startswith(b"\x89PNG\r\n")
    image = Image.open(io.BytesIO(png))
    assert (image.mode, image.size) == ("L", (28, 28))


def test_an_example_has_the_two_features_of_the_contract(directory):
    records.write_splits(directory, {"train": labelled(1)}, {})
    file = directory / SHARD.format("train-00000-of-00001")
    [record] = tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
    feature = tf.train.Example.FromString(record).features.feature
    kinds = {name: value.WhichOneof("kind") for name, value in feature.items()}
    assert kinds == {"image": "bytes_list", "label": "int64_list"}


def test_a_split_is_sharded_evenly_under_the_documented_names(directory, monkeypatch, read_records):
    monkeypatch.setattr(writing, "EXAMPLES_PER_SHARD", 15)
    records.write_splits(directory, {"train": labelled(40), "eval": labelled(15)}, {})
    sizes = {
        "train-00000-of-00003": 14,
        "train-00001-of-00003": 13,
        "train-00002-of-00003": 13,
        "eval-00000-of-00001": 15,
    }
    files = {SHARD.format(name): size for name, size in sizes.items()}
    assert set(files_of(directory)) == {"dataset.json", *files}
    assert {name: len(read_records([directory / name])) for name in files} == files


def test_shards_are_gzipped(directory):
    records.write_splits(directory, {"train": labelled(3)}, {})
    assert files_of(directory)[SHARD.format("train-00000-of-00001")].startswith(b"\x1f\x8b")


def test_a_split_without_examples_has_a_shard_all_the_same(directory, read_records):
    records.write_splits(directory, {"eval": labelled(0)}, {})
    assert read_records([directory / SHARD.format("eval-00000-of-00001")]) == []


def test_the_same_input_gives_the_same_bytes(directory):
    splits = {"train": labelled(30), "test": labelled(10, seed=1)}
    places = directory, directory.with_name("again")
    for place in places:
        records.write_splits(place, splits, {"seed": 0})
    assert files_of(places[0]) == files_of(places[1])


def test_the_manifest_holds_what_it_is_given_and_the_examples_of_each_class(directory):
    splits = {"train": labelled(23), "test": labelled(5)}
    records.write_splits(directory, splits, {"seed": 3, "source": ["a", "b"]})
    names = features.CLASS_NAMES
    manifest = json.loads((directory / records.MANIFEST_FILE).read_text())
    sums = manifest.pop("sha256")
    assert sums == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in directory.glob("span-1/version-1/*")
    }
    assert manifest == {
        "seed": 3,
        "source": ["a", "b"],
        "examples": {
            "train": dict(zip(names, [3] * 3 + [2] * 7, strict=True)),
            "test": dict(zip(names, [1] * 5 + [0] * 5, strict=True)),
        },
    }


def test_classes_are_counted_by_name_in_the_order_of_their_labels():
    counts = records.count_classes(np.array([9, 0, 9, 3]))
    assert list(counts) == list(features.CLASS_NAMES)
    assert {name: count for name, count in counts.items() if count} == {
        "T-shirt/top": 1,
        "Dress": 1,
        "Ankle boot": 2,
    }


def test_the_directory_is_open_to_those_whom_the_umask_admits(directory):
    before = os.umask(0o027)
    try:
        records.write_splits(directory, {"train": labelled(1)}, {})
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert directory.stat().st_mode & 0o777 == 0o750


def test_a_disk_that_fills_up_is_refused_and_nothing_is_left(directory, refusal, small_files_only):
    with (
        small_files_only(20_000),
        refusal(f"The records can't be written to {directory}:", "free some space", "--root"),
    ):
        records.write_splits(directory, {"test": labelled(2), "train": labelled(200)}, {})
    assert list(directory.parent.iterdir()) == []


def test_a_writer_that_fails_is_refused_and_nothing_is_left(directory, monkeypatch, refusal):
    fail_at_example(monkeypatch, 7, OSError(28, "No space left on device"))
    with refusal(f"can't be written to {directory}: No space left on device; free", "--root"):
        records.write_splits(directory, {"train": labelled(10)}, {})
    assert list(directory.parent.iterdir()) == []


def test_what_fails_in_another_process_is_refused_and_nothing_is_left(
    directory, monkeypatch, refusal, small_files_only
):
    monkeypatch.setattr(writing, "_EXAMPLES_PER_PROCESS", 100)
    with (
        small_files_only(20_000),
        refusal(f"The records can't be written to {directory}: File too large; free", "--root"),
    ):
        records.write_splits(directory, {"test": labelled(2), "train": labelled(200)}, {})
    assert list(directory.parent.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_or_a_defect_is_passed_on_and_nothing_is_left(directory, monkeypatch, error):
    fail_at_example(monkeypatch, 7, error)
    with pytest.raises(error):
        records.write_splits(directory, {"train": labelled(10)}, {})
    assert list(directory.parent.iterdir()) == []


def fail_at_example(monkeypatch, number, error):
    """Lets the writer of TFRecords raise when it gets to an example."""
    written = []

    def fail(image, label):
        written.append(label)
        if len(written) == number:
            raise error
        return examples.to_example(image, label)

    monkeypatch.setattr(writing, "to_example", fail)


def test_a_place_that_cannot_be_written_is_refused(tmp_path, refusal):
    (tmp_path / "file").write_text("mine")
    directory = tmp_path / "file" / "records"
    with refusal(directory, "; free some space or mend its permissions", "--root"):
        records.write_splits(directory, {"train": labelled(1)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_directory_that_appeared_meanwhile_is_left_as_it_is(directory, refusal):
    directory.mkdir(parents=True)
    (directory / "theirs").write_text("kept")
    with refusal(directory, "Directory not empty"):
        records.write_splits(directory, {"train": labelled(1)}, {})
    assert [path.name for path in directory.parent.iterdir()] == ["records"]
    assert files_of(directory) == {"theirs": b"kept"}


def test_labelled_images_are_read_in_the_order_of_the_files(tmp_path, write_records):
    files = [tmp_path / "second", tmp_path / "first"]
    write_records(files[0], [3, 1])
    write_records(files[1], [2])
    found = records.read_labelled_images(files)
    assert (found.labels.dtype, found.labels.tolist()) == (np.int64, [3, 1, 2])
    assert (found.images.dtype, found.images.shape) == (np.uint8, (3, 28, 28))
    assert [image.tolist() for image in found.images] == [[[n] * 28] * 28 for n in (3, 1, 2)]


def test_noise_is_read_back_exactly(tmp_path, write_records, encode_png):
    split = labelled(20)
    examples = [
        {"image": encode_png(image), "label": int(label)}
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    write_records(tmp_path / "file", examples)
    np.testing.assert_array_equal(
        records.read_labelled_images([tmp_path / "file"]).images, split.images
    )


PNG_OF_ANOTHER_SIZE = io.BytesIO()
Image.new("L", (32, 32)).save(PNG_OF_ANOTHER_SIZE, "PNG")


@pytest.mark.parametrize(
    "example",
    [
        {"label": 1},
        {"image": b"a picture", "label": 1},
        {"image": PNG_OF_ANOTHER_SIZE.getvalue(), "label": 1},
    ],
    ids=["no image", "no PNG", "another size"],
)
def test_an_example_that_breaks_the_contract_is_refused(tmp_path, write_records, refusal, example):
    write_records(tmp_path / "file", [1, example])
    with refusal(f"The records {tmp_path / 'file'} and on can't be read:", "prepare them anew"):
        records.read_labelled_images([tmp_path / "file"])


@pytest.mark.parametrize("label", [10, -1])
def test_a_label_outside_0_to_9_is_refused(tmp_path, write_records, encode_png, refusal, label):
    png = encode_png(np.zeros((28, 28), np.uint8))
    write_records(tmp_path / "file", [1, {"image": png, "label": label}])
    with refusal(tmp_path / "file", f"label {label}", "prepare them anew"):
        records.read_labelled_images([tmp_path / "file"])


def test_an_example_without_a_label_is_refused(tmp_path, write_records, encode_png, refusal):
    write_records(tmp_path / "file", [{"image": encode_png(np.zeros((28, 28), np.uint8))}])
    with refusal(tmp_path / "file", "label", "prepare them anew"):
        records.read_labelled_images([tmp_path / "file"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-3],
        lambda content: content[:60] + b"?" + content[61:],
        lambda content: b"not a record, though long enough to be taken for one",
    ],
    ids=["cut off", "one byte changed", "something else"],
)
def test_a_damaged_record_is_refused(tmp_path, write_records, refusal, damage):
    file = tmp_path / "file"
    write_records(file, [1, 2, 3])
    file.write_bytes(damage(file.read_bytes()))
    with refusal(f"The records {file} and on can't be read:", "prepare them anew"):
        records.read_labelled_images([file])


def test_files_without_a_record_are_refused(tmp_path, write_records, refusal):
    write_records(tmp_path / "file", [])
    with refusal(tmp_path / "file", "they are empty; prepare them anew"):
        records.read_labelled_images([tmp_path / "file"])


def test_a_file_that_vanished_is_refused(tmp_path, refusal):
    with refusal(tmp_path / "file", "prepare them anew"):
        records.read_labelled_images([tmp_path / "file"])


@pytest.fixture
def written(directory, monkeypatch):
    """Records of two splits, one of them in two shards."""
    monkeypatch.setattr(writing, "EXAMPLES_PER_SHARD", 15)
    records.write_splits(directory, {"train": labelled(20), "test": labelled(5)}, {})
    return directory


def test_the_counts_of_what_was_written_are_read_back(written):
    counts = records.read_counts(written, ["train", "test"])
    assert {split: sum(one.values()) for split, one in counts.items()} == {"train": 20, "test": 5}


def lose_a_shard(directory):
    (directory / SHARD.format("train-00001-of-00002")).unlink()


def lose_a_split(directory):
    (directory / SHARD.format("test-00000-of-00001")).unlink()


def cut_off(directory):
    file = directory / SHARD.format("train-00001-of-00002")
    file.write_bytes(file.read_bytes()[:-1])


def write_manifest(text):
    return lambda directory: (directory / records.MANIFEST_FILE).write_bytes(text)


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_shard,
        lose_a_split,
        cut_off,
        lambda directory: (directory / records.MANIFEST_FILE).unlink(),
        write_manifest(b""),
        write_manifest(b'{"examples": {"train": {"Bag": 1'),
        write_manifest(b'{"examples": [1]}'),
        write_manifest(b"\xff"),
        write_manifest(b'{"examples": {"train": {"Bag": 1}}}'),
        write_manifest(b'{"examples": {"train": {"Bag": 1}, "test": {"Bag": 1}}}'),
    ],
)
def test_what_is_not_as_it_was_written_has_no_counts(written, damage):
    damage(written)
    assert records.read_counts(written, ["train", "test"]) is None


def forget_sums(directory):
    """Leaves what an earlier version wrote."""
    file = directory / records.MANIFEST_FILE
    manifest = json.loads(file.read_text())
    del manifest["sha256"]
    file.write_text(json.dumps(manifest))


def test_what_an_earlier_version_wrote_is_known_by_the_names_of_its_files(written):
    forget_sums(written)
    assert records.read_counts(written, ["train", "test"])["test"]["Dress"] == 1
    lose_a_shard(written)
    assert records.read_counts(written, ["train", "test"]) is None


def test_what_cannot_be_removed_is_refused(tmp_path, refusal):
    with refusal(f"can't be written to {tmp_path / 'none'}: No such file", "--root"):
        records.remove(tmp_path / "none")
