import io
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.data import records
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
    monkeypatch.setattr(records, "EXAMPLES_PER_SHARD", 15)
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
    assert json.loads((directory / records.MANIFEST_FILE).read_text()) == {
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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (tf.errors.ResourceExhaustedError(None, None, "/x; quota exceeded"), "/x; quota exceeded"),
    ],
    ids=["Python", "TensorFlow"],
)
def test_a_writer_that_fails_is_refused_and_nothing_is_left(
    directory, monkeypatch, refusal, error, reason
):
    fail_at_example(monkeypatch, 7, error)
    with refusal(f"can't be written to {directory}: {reason}; free some space", "--root"):
        records.write_splits(directory, {"train": labelled(10)}, {})
    assert list(directory.parent.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_or_a_defect_is_passed_on_and_nothing_is_left(directory, monkeypatch, error):
    fail_at_example(monkeypatch, 7, error)
    with pytest.raises(error):
        records.write_splits(directory, {"train": labelled(10)}, {})
    assert list(directory.parent.iterdir()) == []


def fail_at_example(monkeypatch, number, error):
    """Lets the writer of TFRecords raise when it gets to an example."""
    write, written = tf.io.TFRecordWriter.write, []

    def fail(writer, record):
        written.append(record)
        if len(written) == number:
            raise error
        write(writer, record)

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", fail)


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


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_first_example_to_the_contract_passes_gzipped_or_not(tmp_path, write_records, name):
    write_records(tmp_path / name, [1])
    assert records.check_first_example(tmp_path / name) is None


@pytest.mark.parametrize(
    ("example", "wrong"),
    [
        ({"label": 1}, "has nothing as 'image' instead of a bytes_list"),
        ({"image": b"png"}, "has nothing as 'label' instead of a int64_list"),
        ({"image": 7, "label": 1}, "has int64_list as 'image' instead of a bytes_list"),
        ({"image": b"png", "label": 1.0}, "has float_list as 'label' instead of a int64_list"),
    ],
)
def test_a_first_example_with_other_features_is_refused(
    tmp_path, write_records, refusal, example, wrong
):
    write_records(tmp_path / "file", [example])
    with refusal(f"The first example of {tmp_path / 'file'} {wrong}", "write 'image' as PNG"):
        records.check_first_example(tmp_path / "file")


def test_a_file_without_a_record_is_refused(tmp_path, write_records, refusal):
    write_records(tmp_path / "file.gz", [])
    with refusal(tmp_path / "file.gz", "holds no record", "write the examples into it"):
        records.check_first_example(tmp_path / "file.gz")


def write_text(file):
    file.write_text("label,image\n1,a line of a table that is no record\n")


def write_other_record(file):
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"\xff\xff no message")


@pytest.mark.parametrize(
    "write",
    [write_text, write_other_record, lambda file: file.mkdir(), lambda file: None],
    ids=["text", "another record", "a directory", "nothing"],
)
def test_a_file_without_examples_is_refused(tmp_path, refusal, write):
    write(tmp_path / "file")
    with refusal(f"{tmp_path / 'file'} holds no tf.Example (", "write it anew"):
        records.check_first_example(tmp_path / "file")


def test_a_name_that_ends_in_gz_must_be_gzipped(tmp_path, write_records, refusal):
    write_records(tmp_path / "file", [1])
    (tmp_path / "file").rename(tmp_path / "file.gz")
    with refusal(f"{tmp_path / 'file.gz'} holds no tf.Example (", "write it anew"):
        records.check_first_example(tmp_path / "file.gz")
