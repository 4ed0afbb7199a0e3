import numpy as np
import pytest

from pipeline.data.forms import npz_arrays

NUMBERS = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
LABELS = np.array([1, 2, 3, 9], np.uint8)
PAIR = {"x_train": NUMBERS, "y_train": LABELS}


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return tmp_path / "mine.npz"

    return write


def test_splits_are_read_by_the_names_that_keras_gives_them(write):
    file = write(**PAIR, x_test=NUMBERS[:2] // 2, y_test=LABELS[:2], x_val=NUMBERS, y_val=LABELS)
    found = npz_arrays.read(file)
    assert set(found) == {"train", "eval", "test"}
    assert np.array_equal(found["train"].images, NUMBERS)
    assert np.array_equal(found["test"].images, NUMBERS[:2] // 2)
    assert found["test"].images.dtype == np.uint8
    assert (found["test"].labels.dtype, found["test"].labels.tolist()) == (np.int64, [1, 2])


def test_images_and_labels_are_undivided(write):
    found = npz_arrays.read(write(images=NUMBERS[..., np.newaxis], labels=LABELS[:, np.newaxis]))
    assert set(found) == {"train"}
    assert np.array_equal(found["train"].images, NUMBERS)
    assert found["train"].labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": NUMBERS}, ["lacks the array y_train"]),
        ({**PAIR, "y_test": LABELS}, ["lacks the array x_test"]),
        ({"a": NUMBERS, "b": LABELS}, ["has a, b instead of x_train and y_train or images and"]),
        ({}, ["has no arrays instead of x_train"]),
        ({**PAIR, "y_train": LABELS[:3]}, ["(4, 28, 28) and y_train of the shape (3,) instead"]),
        ({**PAIR, "y_train": np.eye(4)}, ["y_train of the shape (4, 4) instead of as many labels"]),
        ({**PAIR, "x_train": np.float64(1)}, ["x_train of the shape ()"]),
        ({"x_train": NUMBERS[:0], "y_train": LABELS[:0]}, ["has no images in x_train"]),
        ({**PAIR, "x_train": NUMBERS.reshape(4, -1)}, ["x_train[0] of", "has 784 pixels"]),
        ({**PAIR, "x_train": NUMBERS / 255}, ["x_train[0] of", "multiply them by 255"]),
        ({**PAIR, "y_train": LABELS + 1}, ["y_train[3] of", "has 10 as its label"]),
        ({**PAIR, "y_train": np.array(["a"] * 4)}, ["y_train[0] of", "has 'a' as its label"]),
        ({**PAIR, "y_train": np.array([1, None, 2, 3])}, ["can't be read as npz"]),
    ],
)
def test_other_arrays_are_refused(write, refusal, arrays, said):
    with refusal(*said):
        npz_arrays.read(write(**arrays))


@pytest.mark.parametrize("size", [0, 9, 2000])
def test_a_file_that_is_cut_off_is_refused(write, size, refusal):
    file = write(**PAIR)
    file.write_bytes(file.read_bytes()[:size])
    with refusal(f"{file} can't be read as npz ("):
        npz_arrays.read(file)


def test_a_single_array_is_refused(tmp_path, refusal):
    with (tmp_path / "mine.npz").open("wb") as file:
        np.save(file, NUMBERS)
    with refusal("mine.npz", "holds a single array"):
        npz_arrays.read(tmp_path / "mine.npz")
