"""A run on one's own records with a few bad examples among the real ones."""

import json

import pytest

from pipeline import config
from pipeline.data.records import write_splits


@pytest.fixture
def data(tmp_path, fashion_mnist, spoil):
    splits = fashion_mnist.read(config.Dataset(max_examples=500))
    directory = tmp_path / "own"
    write_splits(directory, splits, {})
    for split in ("train", "test"):
        [file] = directory.glob(f"span-1/version-1/{split}-*")
        spoil(file)
    return directory


@pytest.fixture
def spoil():
    """Gives the first example of a file broken pixels, and the second a label that is none."""
    import tensorflow as tf

    def spoil(file):
        records = list(tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator())
        first, second = map(tf.train.Example.FromString, records[:2])
        images = first.features.feature["image"].bytes_list.value
        images[0] = images[0].replace(b"IDAT", b"IDAT\0")
        second.features.feature["label"].int64_list.value[0] = 11
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for record in (first.SerializeToString(), second.SerializeToString(), *records[2:]):
                writer.write(record)

    return spoil


def test_bad_examples_are_refused_or_left_out(run, tmp_path, data):
    flags = ("--data-dir", str(data), "--to-node", "Transform")
    refused = run(tmp_path / "refused", *flags)
    assert refused.code == 2
    assert "4 of 1,500 examples are not what examples must be" in refused.screen
    assert not (tmp_path / "refused" / "artifacts").exists()
    aside = run(tmp_path / "aside", *flags, "--set", "dataset.bad_examples=set_aside")
    assert aside.code == 0
    assert aside.states["Transform"] == "done"
    assert "4 of 1,500 examples were set aside" in aside.screen.replace("\n", " ")
    [directory] = (tmp_path / "aside" / "records").iterdir()
    assert aside.result["set_aside"] == {
        "examples": 4,
        "of": 1500,
        "directory": str(directory),
    }
    lines = (directory / "quarantine.jsonl").read_text().splitlines()
    assert [json.loads(line)["record"] for line in lines] == [1, 2, 1, 2]
