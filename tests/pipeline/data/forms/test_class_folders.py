import numpy as np
import pytest

from pipeline.data.forms import class_folders


@pytest.fixture
def put(tmp_path, encode_png):
    """Puts an image, all of one value, into a file below the directory."""

    def put(name, value=0, size=28):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(np.full((size, size), value, np.uint8)))

    return put


def values(split):
    return [*zip(split.images[:, 0, 0].tolist(), split.labels.tolist(), strict=True)]


def test_folders_of_classes_are_undivided(tmp_path, put):
    for number, name in enumerate(["coat/b.png", "coat/a.PNG", "9/a.png", "T-shirt_top/x.png"]):
        put(name, number)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "coat" / ".hidden").touch()
    (tmp_path / "readme.txt").touch()
    found = class_folders.read(tmp_path)
    assert set(found) == {"train"}
    assert found["train"].images.shape == (4, 28, 28)
    assert (found["train"].images.dtype, found["train"].labels.dtype) == (np.uint8, np.int64)
    assert values(found["train"]) == [(2, 9), (3, 0), (1, 4), (0, 4)]


def test_folders_of_splits_have_folders_of_classes(tmp_path, put):
    put("Train/Bag/1.png", 1)
    put("validation/Bag/1.png", 2)
    put("test/Coat/1.png", 3)
    found = class_folders.read(tmp_path)
    assert {split: values(images) for split, images in found.items()} == {
        "train": [(1, 8)],
        "eval": [(2, 8)],
        "test": [(3, 4)],
    }


def test_another_folder_beside_splits_is_refused(tmp_path, put, refusal):
    put("train/Bag/1.png")
    put("Bag/1.png")
    with refusal(tmp_path / "Bag", "is no further split"):
        class_folders.read(tmp_path)


def test_a_split_that_is_there_twice_is_refused(tmp_path, put, refusal):
    put("eval/Bag/1.png")
    put("val/Bag/1.png")
    with refusal(tmp_path / "val", "is no further split beside eval"):
        class_folders.read(tmp_path)


def test_a_folder_of_no_class_is_refused(tmp_path, put, refusal):
    put("Bag/1.png")
    put("Hat/1.png")
    with refusal(tmp_path / "Hat", "is named after no class"):
        class_folders.read(tmp_path)


def test_an_image_that_is_not_as_wanted_is_refused_by_its_file(tmp_path, put, refusal):
    put("Bag/1.png")
    put("Bag/2.png", size=32)
    with refusal(tmp_path / "Bag" / "2.png", "has 32×32 pixels instead of 28×28"):
        class_folders.read(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "1.gif", "more"])
def test_another_file_among_the_images_is_refused(tmp_path, put, name, refusal):
    put("Bag/1.png")
    (tmp_path / "Bag" / name).touch()
    with refusal(tmp_path / "Bag" / name, "is neither a PNG nor a JPEG"):
        class_folders.read(tmp_path)


def test_an_image_in_no_folder_of_a_class_is_refused(tmp_path, put, refusal):
    put("train/Bag/1.png")
    put("train/2.png")
    with refusal(tmp_path / "train" / "2.png", "is in no folder of a class"):
        class_folders.read(tmp_path)


def test_an_empty_folder_is_refused(tmp_path, put, refusal):
    put("train/Bag/1.png")
    (tmp_path / "train" / "Coat").mkdir()
    with refusal(tmp_path / "train" / "Coat", "has no images"):
        class_folders.read(tmp_path)


def test_a_split_without_folders_is_refused(tmp_path, put, refusal):
    put("train/Bag/1.png")
    (tmp_path / "test").mkdir()
    with refusal(tmp_path / "test", "has no folders of classes"):
        class_folders.read(tmp_path)
