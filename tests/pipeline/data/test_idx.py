import gzip
import hashlib
import os
import struct

import numpy as np
import pytest

from pipeline.data import idx
from pipeline.fingerprint import sha256

NAMES = [file.name for file in idx.OFFICIAL_FILES]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def change(file, edit):
    """Edits the bytes inside a gzipped file."""
    file.write_bytes(gzip.compress(edit(gzip.decompress(file.read_bytes()))))


def test_the_real_files_hold_60000_and_10000_images_evenly_over_the_classes(official_dir):
    train, test = idx.read_official(official_dir)
    for split, count in ((train, 60_000), (test, 10_000)):
        assert (split.images.dtype, split.images.shape) == (np.uint8, (count, 28, 28))
        assert (split.labels.dtype, split.labels.shape) == (np.int64, (count,))
        assert np.bincount(split.labels).tolist() == [count // 10] * 10
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert test.labels[:5].tolist() == [9, 2, 1, 1, 6]


def test_an_array_is_read_as_it_was_written(tmp_path, write_idx):
    values = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    write_idx(tmp_path / "values.gz", values)
    found = idx.read_idx(tmp_path / "values.gz", dimensions=3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, values)


def test_training_and_test_set_are_told_apart(small_official):
    train, test = idx.read_official(small_official)
    assert (len(train.images), len(test.images)) == (120, 40)


def test_missing_files_are_named_and_no_others(small_official, refusal):
    for name in (TRAIN_LABELS, TEST_IMAGES):
        (small_official / name).unlink()
    missing = f"{small_official} lacks {TRAIN_LABELS}, {TEST_IMAGES}:"
    with refusal(missing, "put the official files", "--data-dir"):
        idx.read_official(small_official)


def test_an_empty_directory_lacks_all_four(tmp_path, refusal):
    with refusal(f"{tmp_path} lacks {', '.join(NAMES)}:", "--data-dir"):
        idx.read_official(tmp_path)


def test_a_directory_that_is_not_there_lacks_all_four(tmp_path, refusal):
    with refusal(f"{tmp_path / 'none'} lacks {', '.join(NAMES)}:", "--data-dir"):
        idx.read_official(tmp_path / "none")


def test_a_directory_that_cannot_be_looked_into_is_refused(tmp_path, refusal):
    # Permissions do not stop root, and a name too long stops everyone in the same place.
    directory = tmp_path / ("x" * 300)
    with refusal(directory, "can't be read: File name too long", "--data-dir"):
        idx.read_official(directory)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_read_is_refused(small_official, refusal, name):
    (small_official / name).unlink()
    (small_official / name).mkdir()
    with refusal(small_official / name, "can't be read: Is a directory", "permissions"):
        idx.read_official(small_official)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_only_looks_right_has_another_sum(small_official, refusal, name):
    # Two labels, or two pixels of different rows, change places.
    change(small_official / name, lambda content: content[:-2] + content[:-3:-1])
    actual = sha256(small_official / name)
    expected = next(file.sha256 for file in idx.OFFICIAL_FILES if file.name == name)
    sums = f"its SHA-256 is {actual} instead of {expected}"
    with refusal(small_official / name, "not the official file", sums, "fetch it anew"):
        idx.read_official(small_official)


@pytest.mark.parametrize("keep", [5, 0.5, -4], ids=["in the header", "halfway", "at the end"])
def test_a_truncated_gzip_is_refused(small_official, refusal, keep):
    file = small_official / TEST_IMAGES
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep) if keep == 0.5 else keep])
    with refusal(file, "is cut off or damaged", "fetch it anew"):
        idx.read_official(small_official)


def test_a_gzip_damaged_inside_is_refused(small_official, refusal):
    file = small_official / TRAIN_LABELS
    content = bytearray(file.read_bytes())
    content[10] |= 0b111  # A type of block that deflate does not have.
    file.write_bytes(content)
    with refusal(file, "is cut off or damaged", "fetch it anew"):
        idx.read_official(small_official)


def test_a_gzip_whose_own_checksum_fails_is_refused(small_official, refusal):
    file = small_official / TRAIN_LABELS
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)
    with refusal(file, "CRC check failed", "fetch it anew"):
        idx.read_official(small_official)


def test_a_file_that_is_no_gzip_is_refused(small_official, refusal):
    file = small_official / TRAIN_IMAGES
    file.write_bytes(b"<html>Log in to this network</html>")
    with refusal(file, "is not an intact gzip file", "fetch it anew"):
        idx.read_official(small_official)


def test_an_empty_file_is_refused(small_official, refusal):
    file = small_official / TRAIN_IMAGES
    file.write_bytes(b"")
    with refusal(file, "starts with nothing instead of the magic number 00000803", "fetch it"):
        idx.read_official(small_official)


@pytest.mark.parametrize(
    ("name", "magic", "found"),
    [
        (TRAIN_IMAGES, 0x0D03, "00000d03 instead of the magic number 00000803"),
        (TEST_LABELS, 0x0803, "00000803 instead of the magic number 00000801"),
    ],
    ids=["floats", "images for labels"],
)
def test_another_magic_number_is_refused(small_official, refusal, name, magic, found):
    change(small_official / name, lambda content: struct.pack(">I", magic) + content[4:])
    with refusal(small_official / name, f"starts with {found}", "fetch it anew"):
        idx.read_official(small_official)


def test_a_header_that_breaks_off_is_refused(small_official, refusal):
    change(small_official / TEST_IMAGES, lambda content: content[:9])
    with refusal(small_official / TEST_IMAGES, "fetch it anew"):
        idx.read_official(small_official)


@pytest.mark.parametrize("change_length", [-1, 1])
def test_a_length_other_than_stated_is_refused(small_official, refusal, change_length):
    file = small_official / TEST_IMAGES
    change(file, lambda content: (content + b"\0")[: len(content) + change_length])
    length = 40 * 28 * 28
    stated = f"states 40×28×28 bytes but holds {length + change_length}:"
    with refusal(file, stated, "fetch it anew"):
        idx.read_official(small_official)


def test_a_stated_length_beyond_64_bits_is_refused(small_official, write_idx, refusal):
    # The product is 2**64, in 64 bits 0: as many as there are.
    file = small_official / TEST_IMAGES
    write_idx(file, np.zeros(0, np.uint8), shape=(1 << 31, 1 << 31, 4))
    with refusal(file, "but holds 0:", "fetch it anew"):
        idx.read_official(small_official)


def test_images_of_another_size_are_refused(small_official, write_idx, refusal):
    file = small_official / TRAIN_IMAGES
    write_idx(file, np.zeros((120, 32, 30), np.uint8))
    with refusal(file, "images of 32×30 pixels instead of 28×28", "fetch it anew"):
        idx.read_official(small_official)


def test_fewer_labels_than_images_are_refused(small_official, write_idx, refusal):
    images, labels = small_official / TEST_IMAGES, small_official / TEST_LABELS
    write_idx(labels, np.zeros(39, np.uint8))
    with refusal(f"{images} holds 40 images but {labels} holds 39 labels", "fetch both anew"):
        idx.read_official(small_official)


def test_a_label_above_9_is_refused_with_its_position(small_official, write_idx, refusal):
    labels = np.arange(40, dtype=np.uint8) % 10
    labels[[17, 30]] = 10
    file = small_official / TEST_LABELS
    write_idx(file, labels)
    with refusal(file, "the label 10 at position 17, and labels are 0 to 9", "fetch it anew"):
        idx.read_official(small_official)


def unpack(directory, names):
    for name in names:
        file = directory / name
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()


@pytest.mark.parametrize("count", [1, 4])
def test_official_files_may_be_unpacked(small_official, count):
    before = idx.read_official(small_official)
    unpack(small_official, [file.name for file in idx.OFFICIAL_FILES][:count])
    for one, other in zip(before, idx.read_official(small_official), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_an_unpacked_file_must_hold_what_the_official_one_does(small_official, refusal):
    name = idx.OFFICIAL_FILES[0].name
    unpack(small_official, [name])
    file = (small_official / name).with_suffix("")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with refusal(f"{file} is not the official file, its SHA-256 is"):
        idx.read_official(small_official)


def test_an_unpacked_file_that_is_cut_off_is_refused(small_official, refusal):
    name = idx.OFFICIAL_FILES[0].name
    unpack(small_official, [name])
    file = (small_official / name).with_suffix("")
    file.write_bytes(file.read_bytes()[:-1])
    with refusal(f"{file} states 120×28×28 bytes but holds"):
        idx.read_official(small_official)


def test_the_real_files_unpack_to_what_is_said_of_them(official_dir):
    for file in idx.OFFICIAL_FILES:
        content = gzip.decompress((official_dir / file.name).read_bytes())
        assert hashlib.sha256(content).hexdigest() == file.content_sha256


def test_a_file_that_unpacks_to_more_than_any_dataset_is_refused(
    small_official, monkeypatch, refusal
):
    monkeypatch.setattr(idx, "_MOST_BYTES", 1000)
    file = small_official / TRAIN_IMAGES
    with refusal(file, "unpacks to more than 1,000 bytes", "fetch it anew"):
        idx.read_official(small_official)


def test_a_pipe_is_refused_at_once(small_official, refusal):
    (small_official / TRAIN_IMAGES).unlink()
    os.mkfifo(small_official / TRAIN_IMAGES)
    with refusal(small_official / TRAIN_IMAGES, "can't be read: Not a regular file"):
        idx.read_official(small_official)
