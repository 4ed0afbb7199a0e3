import pytest

from pipeline.data import contents


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "t10k-labels-idx1-ubyte.gz",
            "one of the official ones: name its directory, --data-dir {}",
        ),
        ("train-images-idx3-ubyte", "one of the official ones: name its directory, --data-dir {}"),
        ("archive.zip", "an archive: unpack it"),
        ("data.tar.gz", "an archive: unpack it"),
        ("train.tfrecord.gz", "and TFRecords are read by their directory"),
        (
            "fashion_mnist-train.tfrecord-00000-of-00001",
            "and TFRecords are read by their directory",
        ),
        ("my.csv", "which `python -m pipeline.dataset import {}/my.csv DIR` makes TFRecords of"),
        ("x.npz", "which `python -m pipeline.dataset import {}/x.npz DIR` makes TFRecords of"),
        ("notes.txt", "and data is read from a directory: name one with --data-dir"),
    ],
)
def test_a_file_is_told_by_its_name_with_the_way_to_data(tmp_path, name, said):
    assert contents.describe_file(tmp_path / name).startswith(said.format(tmp_path))


def test_a_command_for_copying_is_quoted(tmp_path):
    assert "import '/my data/a.csv' DIR" in contents.describe_file(tmp_path / "/my data/a.csv")


def make(directory, *names):
    for name in names:
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "nothing"),
        ([".hidden"], "nothing"),
        (["a.txt"], "1 .txt file"),
        (["a.txt", "b.TXT", "c", "d/e.txt"], "2 .txt files and 1 other file and 1 directory"),
        (["a/b/c", "d/e"], "2 directories"),
    ],
)
def test_what_a_directory_has_is_counted(tmp_path, names, said):
    make(tmp_path, *names)
    assert contents.describe_directory(tmp_path) == said


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "Bag/1.png", "Bag/1.JPG"])
def test_what_can_be_imported_is_said_with_the_command(tmp_path, name):
    make(tmp_path, name)
    said = contents.describe_directory(tmp_path)
    assert said.endswith(
        f", of which `python -m pipeline.dataset import {tmp_path} DIR` makes TFRecords"
    )
