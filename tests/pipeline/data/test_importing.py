import io
import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from pipeline import config
from pipeline.data import importing, kinds, records, splitting
from pipeline.data.idx import LabelledImages
from pipeline.data.importing import Drawing
from pipeline.data.preparation import SPLITS
from tests.pipeline.data.test_preparation import sums
from trainer_module import features

ARRAYS = {"train": ("x_train", "y_train"), "eval": ("x_val", "y_val"), "test": ("x_test", "y_test")}


def make_images(count, seed=0):
    """Noise, so that no two images are the same, of all classes in turn."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
    return LabelledImages(images, np.arange(count) % 10)


def write_csv(place, splits):
    for split, images in splits.items():
        pixels = images.images.reshape(len(images.labels), -1)
        rows = np.column_stack([images.labels, pixels])
        header = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])
        file = place / f"fashion-mnist_{split}.csv"
        np.savetxt(file, rows, "%d", ",", header=header, comments="")


def write_parquet(place, splits):
    for split, images in splits.items():
        pictures = [{"bytes": encode(image), "path": None} for image in images.images]
        half = len(pictures) // 2
        for shard, part in enumerate((slice(half), slice(half, None))):
            table = pa.table({"image": pictures[part], "label": images.labels[part]})
            parquet.write_table(table, place / f"{split}-0000{shard}-of-00002.parquet")


def write_npz(place, splits):
    arrays = {}
    for split, images in splits.items():
        x, y = ARRAYS[split]
        arrays.update({x: images.images, y: images.labels})
    np.savez(place / "mine.npz", **arrays)


def write_folders(place, splits):
    for split, images in splits.items():
        for number, (image, label) in enumerate(zip(images.images, images.labels, strict=True)):
            folder = features.CLASS_NAMES[label].replace("/", "_")
            file = place / split / folder / f"{number:04}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode(image))


FORMS = {
    "CSV": write_csv,
    "Parquet": write_parquet,
    "npz": write_npz,
    "pictures": write_folders,
}


def encode(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def pairs(images):
    return [
        (image.tobytes(), int(label))
        for image, label in zip(images.images, images.labels, strict=True)
    ]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "records"


@pytest.fixture
def read(directory, read_records):
    """The examples of a split that was written, in order: the pixels' bytes with their label."""

    def read(split):
        return [
            (np.asarray(Image.open(io.BytesIO(png))).tobytes(), label)
            for png, label in read_records(directory.glob(f"span-1/version-1/{split}-*"))
        ]

    return read


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels_and_labels_back(form, source, directory, read):
    splits = {split: make_images(20, seed) for seed, split in enumerate(SPLITS)}
    if form == "CSV":
        splits.pop("eval")
    FORMS[form](source, splits)
    imported = importing.import_images(source, directory, Drawing())
    assert imported.origin == f"{form} in {source}"
    assert imported.drawn == [split for split in SPLITS if split not in splits]
    assert sorted(read("test")) == sorted(pairs(splits.pop("test")))
    expected = sorted(pair for images in splits.values() for pair in pairs(images))
    assert sorted(read("train") + read("eval")) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_real_images_come_back_by_every_form(form, official_dir, source, directory, read):
    train, test = kinds.OfficialFiles(official_dir).read_original()
    splits = {"train": train, "test": test}
    some = {
        split: LabelledImages(images.images[:60], images.labels[:60])
        for split, images in splits.items()
    }
    FORMS[form](source, some)
    importing.import_images(source, directory, Drawing())
    assert sorted(read("train") + read("eval")) == sorted(pairs(some["train"]))
    assert sorted(read("test")) == sorted(pairs(some["test"]))


def test_what_is_imported_is_found_as_records_of_ones_own(source, directory):
    write_npz(source, {"train": make_images(120)})
    importing.import_images(source, directory, Drawing())
    settings = config.Dataset(dir=directory)
    found = kinds.OwnRecords.recognise(directory, settings.pattern)
    assert found.prepare(settings, source).directory == directory
    assert kinds.TensorFlowDatasets.recognise(directory, settings.pattern) is None


def test_eval_is_drawn_as_of_the_official_files(source, directory, read):
    train = make_images(120)
    write_npz(source, {"train": train, "test": make_images(20, 1)})
    importing.import_images(source, directory, Drawing(seed=3))
    settings = config.Dataset(eval_examples=10, seed=3)
    expected = splitting.set_aside_eval(train, settings)
    assert read("train") == pairs(expected["train"])
    assert read("eval") == pairs(expected["eval"])


def test_splits_are_drawn_in_the_shares_of_fashion_mnist_by_class(source, directory):
    write_npz(source, {"train": make_images(700)})
    imported = importing.import_images(source, directory, Drawing())
    assert imported.examples == {
        split: dict.fromkeys(features.CLASS_NAMES, count)
        for split, count in (("train", 55), ("eval", 5), ("test", 10))
    }
    assert imported.drawn == ["eval", "test"]


def test_drawn_splits_have_no_image_in_common_and_leave_none_out(source, directory, read):
    train = make_images(100)
    write_npz(source, {"train": train})
    importing.import_images(source, directory, Drawing(counts={"eval": 20, "test": 30}))
    found = {split: read(split) for split in SPLITS}
    assert {split: len(examples) for split, examples in found.items()} == {
        "train": 50,
        "eval": 20,
        "test": 30,
    }
    assert sorted(itertools.chain(*found.values())) == sorted(pairs(train))


def test_another_seed_draws_others_and_the_same_seed_gives_the_same_bytes(source, tmp_path):
    write_npz(source, {"train": make_images(100)})
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        importing.import_images(source, tmp_path / name, Drawing(seed))
    assert sums(tmp_path / "a") == sums(tmp_path / "b")
    assert sums(tmp_path / "a") != sums(tmp_path / "c")


def test_splits_that_are_there_are_taken_as_they_are(source, directory, read):
    splits = {split: make_images(20, seed) for seed, split in enumerate(SPLITS)}
    write_npz(source, splits)
    assert not importing.import_images(source, directory, Drawing()).drawn
    assert {split: read(split) for split in SPLITS} == {
        split: pairs(images) for split, images in splits.items()
    }


def test_a_file_alone_is_undivided_whatever_its_name(source, directory):
    write_csv(source, {"test": make_images(40)})
    imported = importing.import_images(source / "fashion-mnist_test.csv", directory, Drawing())
    assert imported.drawn == ["eval", "test"]


def test_an_empty_directory_gets_the_records(source, directory):
    write_npz(source, {"train": make_images(40)})
    directory.mkdir()
    importing.import_images(source, directory, Drawing())
    assert json.loads((directory / records.MANIFEST_FILE).read_text())["source"].startswith("npz")


@pytest.fixture
def refused(source, directory, refusal, tmp_path):
    """Imports, and expects a refusal that leaves nothing behind."""

    def refused(*parts, drawing=None, taken=source):
        before = sorted(tmp_path.rglob("*"))
        with refusal(*parts):
            importing.import_images(taken, directory, drawing or Drawing())
        assert sorted(tmp_path.rglob("*")) == before

    return refused


def test_a_directory_with_something_in_it_is_refused(source, directory, refused):
    write_npz(source, {"train": make_images(40)})
    directory.mkdir()
    (directory / "mine").touch()
    refused(directory, "is not empty")


def test_a_file_in_the_place_of_the_directory_is_refused(source, directory, refused):
    write_npz(source, {"train": make_images(40)})
    directory.touch()
    refused(directory, "can't get the records (Not a directory)")


def test_a_disk_that_is_full_gets_no_records(source, directory, refusal, small_files_only):
    write_npz(source, {"train": make_images(400)})
    with small_files_only(10_000), refusal("can't be written to", "name another place as DIR"):
        importing.import_images(source, directory, Drawing())
    assert [path.name for path in directory.parent.iterdir()] == ["source"]


def test_a_source_that_is_not_there_is_refused(source, refused):
    refused(f"There is no {source / 'none'}", taken=source / "none")


@pytest.mark.parametrize("name", ["readme.txt", ".hidden.csv"])
def test_a_source_without_images_is_refused(source, refused, name):
    (source / name).touch()
    refused(source, "has no images", "CSV, Parquet or npz")


def test_a_source_in_two_forms_is_refused(source, refused):
    for write in (write_npz, write_csv):
        write(source, {"train": make_images(20)})
    refused(source, "has CSV and npz: name the file")


def test_files_that_are_named_after_no_split_are_refused(source, refused):
    write_csv(source, {"train": make_images(20)})
    (source / "fashion-mnist_train.csv").rename(source / "one.csv")
    write_csv(source, {"train": make_images(20)})
    refused(source / "one.csv", "is not the only CSV there", "train, eval, test")


def test_several_npz_are_refused(source, refused):
    write_npz(source, {"train": make_images(20)})
    (source / "mine.npz").rename(source / "train.npz")
    write_npz(source, {"train": make_images(20)})
    refused(source / "mine.npz", "is not the only npz there", "name the one that is meant")


def test_splits_without_train_are_refused(source, refused):
    write_folders(source, {"test": make_images(20), "eval": make_images(20)})
    refused(source, "has eval, test but nothing to train on")


def test_images_from_0_to_1_are_refused(source, refused):
    images = make_images(20)
    write_npz(source, {"train": LabelledImages(images.images // 128, images.labels)})
    refused(source, "has no pixel above 1", "multiply them by 255")


def test_a_number_for_a_split_that_is_there_is_refused(source, refused):
    write_npz(source, {"train": make_images(20), "test": make_images(20)})
    refused(source, "its own test", "leave out --test-examples", drawing=Drawing(0, {"test": 5}))


@pytest.mark.parametrize(("split", "count"), [("test", 20), ("eval", 17)])
def test_splits_that_leave_nothing_to_train_on_are_refused(source, refused, split, count):
    write_npz(source, {"train": make_images(20)})
    drawing = Drawing(0, {split: count})
    refused(f"{count} examples for {split} leave nothing", f"--{split}-examples", drawing=drawing)


def test_a_single_image_is_refused(source, refused):
    write_npz(source, {"train": make_images(1)})
    refused("1 examples for test leave nothing to train on of the 1")


def test_a_damaged_file_writes_nothing(source, refused):
    write_csv(source, {"train": make_images(20)})
    (source / "fashion-mnist_test.csv").write_text("1,2,3\n")
    refused("The number of cells in row 1 of", "is 3 instead of 785")
