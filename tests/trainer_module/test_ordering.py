import numpy as np
import pytest

from trainer_module import ordering

WIDTH = 5


@pytest.fixture
def rows():
    """Rows of keys and what they tell, of which some are there twice."""
    content = np.random.default_rng(4).integers(0, 256, [1500, WIDTH], np.uint8)
    keys = [ordering.key(one.tobytes()) for one in content]
    rows = np.hstack([np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16), content])
    return np.vstack([rows, rows[:100]])


def in_order(rows):
    return sorted(rows[:, 16:].tolist(), key=lambda one: ordering.key(bytes(one)))


def sort_to_file_contents(rows, directory, rows_per_file=64):
    files, count = ordering.sort_to_files(np.array_split(rows, 9), directory, rows_per_file)
    assert sorted(directory.iterdir()) == files
    assert count == len(rows)
    return [np.fromfile(file, np.uint8).reshape(-1, WIDTH).tolist() for file in files]


def test_key_depends_on_image_and_label():
    examples = {
        ordering.pack(image, label) for image in (b"", b"a", b"\0") for label in range(-3, 10)
    }
    assert len({ordering.key(one) for one in examples}) == len(examples) == 39


def test_keys_are_sorted_as_the_bytes_that_they_are(rows):
    keys = rows[:, :16]
    order = ordering.sort_keys(keys)
    assert [bytes(keys[one]) for one in order] == sorted(map(bytes, keys))


def test_rows_are_sorted_whole_and_alone_in_their_directory(rows, tmp_path):
    parts = sort_to_file_contents(rows, tmp_path)
    assert [row for part in parts for row in part] == in_order(rows)


def test_files_of_sorted_rows_have_the_same_number_but_for_the_last(rows, tmp_path):
    lengths = [len(part) for part in sort_to_file_contents(rows, tmp_path, 100)]
    assert lengths == [100] * 16
    (tmp_path / "other").mkdir()
    assert [len(part) for part in sort_to_file_contents(rows[:130], tmp_path / "other", 100)] == [
        *(100, 30)
    ]


def test_no_bucket_that_is_held_is_larger_than_a_bound(rows, tmp_path, monkeypatch):
    bound = 10 * (16 + WIDTH)
    monkeypatch.setattr(ordering, "_HELD_BYTES", bound)
    held = []
    fromfile = np.fromfile
    monkeypatch.setattr(
        ordering.np, "fromfile", lambda *args: held.append(fromfile(*args)) or held[-1]
    )
    files, _ = ordering.sort_to_files([rows], tmp_path, 1000)
    assert 0 < max(one.nbytes for one in held) <= bound
    monkeypatch.undo()
    found = np.concatenate([np.fromfile(file, np.uint8) for file in files]).reshape(-1, WIDTH)
    assert found.tolist() == in_order(rows)


def test_duplicates_beyond_that_bound_are_not_dealt_out_for_ever(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(ordering, "_HELD_BYTES", 10 * (16 + WIDTH))
    files, count = ordering.sort_to_files([np.repeat(rows[:1], 30, axis=0)], tmp_path, 1000)
    assert (len(files), count) == (1, 30)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_first_examples_are_the_same_in_whatever_order_they_come(to_example, count):
    examples = [to_example(np.random.default_rng(n).bytes(20), n % 10) for n in range(60)]
    first = ordering.first_examples(iter(examples), count)
    assert len(first) == min(count, 60)
    assert first == ordering.first_examples(reversed(examples), count)
    assert first == ordering.first_examples(examples, 60)[:count]
    assert first != examples[:count]
