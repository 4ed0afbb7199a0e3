import os
from pathlib import Path

import numpy as np
import pytest

from pipeline import config
from pipeline.data import kinds
from pipeline.data.kinds import OfficialFiles, OwnRecords, Sample, TensorFlowDatasets
from trainer_module import features

PATTERN = config.Dataset().pattern


def content(own, tmp_path):
    return own.prepare(config.Dataset(), tmp_path / "records").content


@pytest.mark.parametrize(
    ("source", "dataset", "origin"),
    [
        (OfficialFiles(Path("/data")), "fashion_mnist", "the official files in /data"),
        (TensorFlowDatasets(Path("/data")), "fashion_mnist", "TensorFlow Datasets in /data"),
        (OwnRecords(Path("/data")), "fashion_mnist", "the TFRecords in /data"),
        (Sample(), "sample", "generated sample images"),
    ],
)
def test_a_source_says_what_it_is_and_where_it_comes_from(source, dataset, origin):
    assert (source.dataset, source.origin) == (dataset, origin)


def test_no_two_kinds_say_the_same_of_themselves_in_json():
    assert len({kind.kind for kind in kinds.KINDS}) == len(kinds.KINDS)


def test_the_sample_is_in_no_directory(official):
    assert Sample.recognise(official.directory, PATTERN) is None


def test_the_reason_for_the_sample_makes_no_other_data_of_it():
    assert Sample(fallback_reason="nobody answers") == Sample()


def test_labels_that_are_corrected_in_place_are_other_data(
    own, write_records, encode_png, tmp_path
):
    file = own.directory / "span-2" / "version-3" / "train-1.tfrecord"
    png = encode_png(np.zeros((28, 28), np.uint8))
    write_records(file, [{features.IMAGE: png, features.LABEL: 1}])
    before, was = content(own, tmp_path), file.stat()
    write_records(file, [{features.IMAGE: png, features.LABEL: 2}])
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert content(own, tmp_path) != before


def test_the_same_records_elsewhere_and_later_are_the_same_data(own, tmp_path):
    before = content(own, tmp_path)
    for file in own.directory.rglob("*-*.gz"):
        os.utime(file, (1, 1))
    assert content(OwnRecords(own.directory.rename(tmp_path / "moved")), tmp_path) == before


def test_a_window_has_an_effect_where_there_are_spans(own):
    spans, none = (
        own.find_without_effect(config.Dataset(pattern=pattern)) for pattern in (PATTERN, "{SPLIT}")
    )
    assert "dataset.window" not in spans
    assert none["dataset.window"] == "dataset.pattern has no spans"


def test_an_older_span_can_be_prepared_by_itself(own, write_records, tmp_path):
    for split in ("train", "eval", "test"):
        write_records(own.directory / "span-1" / "version-9" / f"{split}-0.gz", [5])
    older, newest = own.find_spans(PATTERN)
    settings = config.Dataset()
    prepared = own.prepare_span(settings, tmp_path, older)
    assert (prepared.span, prepared.examples["train"]["Sandal"]) == (1, 1)
    assert own.prepare(settings, tmp_path) == own.prepare_span(settings, tmp_path, newest)
    assert own.prepare(settings, tmp_path).content != prepared.content


def test_an_older_span_has_no_say(own, write_records, tmp_path):
    before = content(own, tmp_path)
    write_records(own.directory / "span-1" / "version-9" / "train-0.gz", [5])
    assert content(own, tmp_path) == before


def test_a_file_that_moves_to_another_split_is_other_data(own, write_records, tmp_path):
    file = own.directory / "span-2" / "version-3" / "train-last.gz"
    write_records(file, [3])
    before = content(own, tmp_path)
    # The first of eval, so that the files follow one another as before.
    file.rename(file.with_name("eval-.gz"))
    assert content(own, tmp_path) != before


def test_records_that_cannot_be_read_are_refused(own, refusal, tmp_path):
    [file] = own.directory.glob("*/*/test-*")
    file.unlink()
    file.mkdir()
    with refusal(own.directory, "can't be read: Is a directory"):
        content(own, tmp_path)
