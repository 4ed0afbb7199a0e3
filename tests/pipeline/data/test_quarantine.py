import os
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline import config
from pipeline.data import quarantine
from pipeline.data.kinds import OwnRecords
from pipeline.data.preparation import SPLITS, SetAside
from tests.pipeline.data.preparing import prepare, sizes
from tests.pipeline.data.test_preparation import sums
from trainer_module import features

VERSION = Path("span-2", "version-3")
BAD = [{features.LABEL: 1}, {features.IMAGE: b"GIF89a", features.LABEL: 1}]


@pytest.fixture
def spoiled(own, write_records):
    """Nineteen examples in each split, and two bad ones in a file of `train` beside a good one."""
    for split in SPLITS:
        write_records(own.directory / VERSION / f"{split}-more.gz", [*range(10), *range(7)])
    write_records(own.directory / VERSION / "train-plain", [BAD[0], 7, BAD[1]])
    return own


def allow(source, parent, **settings):
    limits = {"max_bad_fraction": 0.2, **settings}
    return prepare(source, parent, bad_examples="set_aside", **limits)


def records(file):
    compression = "GZIP" if file.suffix == ".gz" else ""
    return list(tf.data.TFRecordDataset(str(file), compression).as_numpy_iterator())


def test_bad_examples_are_refused_by_default_with_the_way_to_set_them_aside(
    spoiled, parent, refusal
):
    file = spoiled.directory / VERSION / "train-plain"
    with refusal(
        f"2 of 60 examples are not what examples must be, and the first, record 1 of {file}, has ",
        "copy or write it anew, so that",
        'or set dataset.bad_examples to "set_aside", which trains without them.',
    ):
        prepare(spoiled, parent)
    assert not parent.exists()


def test_what_is_not_bad_is_prepared_in_the_layout_that_it_had(spoiled, parent):
    before = sums(spoiled.directory)
    prepared = allow(spoiled, parent)
    assert sizes(prepared) == {"train": 20, "eval": 19, "test": 19}
    assert prepared.directory.parent == parent
    assert prepared.set_aside == SetAside(2, 60, str(prepared.directory))
    assert prepared.content == ""
    for file in (spoiled.directory / VERSION).iterdir():
        copy = prepared.directory / VERSION / file.name
        if file.name != "train-plain":
            assert copy.samefile(file)
    original = records(spoiled.directory / VERSION / "train-plain")
    assert records(prepared.directory / VERSION / "train-plain") == [original[1]]
    assert sums(spoiled.directory) == before
    assert OwnRecords.recognise(prepared.directory, prepared.pattern)


def test_what_is_bad_is_kept_with_its_reason(spoiled, parent):
    directory = allow(spoiled, parent).directory
    assert quarantine.find(parent) == [directory]
    manifest, entries = quarantine.read(directory)
    file = spoiled.directory / VERSION / "train-plain"
    assert (manifest.source, manifest.of) == (str(spoiled.directory), 60)
    assert [(one.split, one.file, one.record, one.reason) for one in entries] == [
        ("train", str(file), 1, "nothing (there is label) as 'image' instead of a bytes_list"),
        ("train", str(file), 3, "a GIF as 'image'"),
    ]
    original = records(file)
    assert records(directory / quarantine.RECORDS_FILE) == [original[0], original[2]]


def test_a_gzipped_file_stays_one(spoiled, parent, write_records):
    write_records(spoiled.directory / VERSION / "test-bad.gz", [4, BAD[0]])
    copy = allow(spoiled, parent).directory / VERSION / "test-bad.gz"
    assert copy.read_bytes()[:2] == b"\x1f\x8b"
    assert len(records(copy)) == 1


def test_a_file_of_bad_examples_alone_is_left_without_any(spoiled, parent, write_records):
    write_records(spoiled.directory / VERSION / "test-bad", BAD[:1])
    copy = allow(spoiled, parent).directory / VERSION / "test-bad"
    assert records(copy) == []


def test_data_without_a_bad_example_is_taken_as_it_is(own, parent):
    prepared = allow(own, parent)
    assert (prepared.directory, prepared.set_aside) == (own.directory, None)
    assert not parent.exists()


def test_what_was_set_aside_is_not_written_twice(spoiled, parent):
    first = allow(spoiled, parent)
    copy = first.directory / VERSION / "train-plain"
    before = copy.stat().st_ino
    # Nor for other limits, which change nothing in it.
    assert allow(spoiled, parent, max_bad_fraction=0.3) == first
    assert copy.stat().st_ino == before


@pytest.mark.parametrize(
    "name", ["dataset.json", quarantine.QUARANTINE_FILE, str(VERSION / "train-plain")]
)
@pytest.mark.parametrize("lost", [True, False])
def test_what_was_damaged_since_is_written_again(spoiled, parent, caplog, name, lost):
    first = allow(spoiled, parent)
    before = sums(first.directory)
    file = first.directory / name
    file.unlink() if lost else file.write_bytes(b"[]")
    assert allow(spoiled, parent) == first
    assert sums(first.directory) == before
    assert f"{first.directory} is not as it was written" in caplog.text


def test_labels_that_are_corrected_in_place_are_other_data(spoiled, parent, write_records):
    first = allow(spoiled, parent)
    write_records(spoiled.directory / VERSION / "eval-more.gz", [*range(10), *range(6), 1])
    assert allow(spoiled, parent).directory != first.directory


def test_links_are_followed(spoiled, parent, tmp_path):
    file = spoiled.directory / VERSION / "test-more.gz"
    file.rename(tmp_path / "blob")
    file.symlink_to(os.path.relpath(tmp_path / "blob", file.parent))
    copy = allow(spoiled, parent).directory / VERSION / file.name
    assert copy.samefile(tmp_path / "blob")
    assert not copy.is_symlink()


def test_what_cannot_be_linked_is_copied(spoiled, parent, monkeypatch):
    def link(source, target):
        raise OSError(18, "Invalid cross-device link", str(source))

    monkeypatch.setattr(os, "link", link)
    copy = allow(spoiled, parent).directory / VERSION / "test-more.gz"
    original = spoiled.directory / VERSION / "test-more.gz"
    assert copy.read_bytes() == original.read_bytes()
    assert not copy.samefile(original)


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"max_bad_examples": 1}, "raise dataset.max_bad_examples = 1."),
        (
            {"max_bad_fraction": 0.09},
            "raise dataset.max_bad_fraction = 0.09, of which train has 0.091.",
        ),
    ],
)
def test_more_than_a_limit_is_refused(spoiled, parent, refusal, settings, limit):
    with refusal("2 of 60 examples are not", "record 1 of", "copy or write it anew", limit):
        allow(spoiled, parent, **settings)
    assert not parent.exists()


def test_as_many_as_the_limits_are_allowed(spoiled, parent):
    prepared = allow(spoiled, parent, max_bad_examples=2, max_bad_fraction=2 / 22)
    assert prepared.set_aside.examples == 2


def test_a_split_of_bad_examples_alone_is_refused(own, parent, refusal, write_records):
    [file] = (own.directory / VERSION).glob("eval-*")
    write_records(file, BAD)
    with refusal(f"{file} holds no example of eval: copy or write it anew."):
        allow(own, parent, max_bad_fraction=1.0)


def test_a_damaged_file_is_refused_all_the_same(spoiled, parent, refusal):
    file = spoiled.directory / VERSION / "train-plain"
    file.write_bytes(file.read_bytes()[:-1])
    with refusal(f"{file} is damaged at record 3: the file is cut off"):
        allow(spoiled, parent)
    assert not parent.exists()


def test_a_file_that_changes_meanwhile_is_refused_and_nothing_is_left(
    spoiled, parent, refusal, write_records, monkeypatch
):
    file = spoiled.directory / VERSION / "train-plain"
    make_key = quarantine.make_key

    def change(directory, checked):
        write_records(file, [BAD[0], 8, BAD[1]])
        return make_key(directory, checked)

    monkeypatch.setattr(quarantine, "make_key", change)
    with refusal(f"{file} changed while it was read: run this again."):
        allow(spoiled, parent)
    assert list(parent.iterdir()) == []


def test_a_disk_that_is_full_leaves_nothing(spoiled, parent, refusal, small_files_only):
    with small_files_only(100), refusal("The records can't be written to", "--root"):
        allow(spoiled, parent)
    assert list(parent.iterdir()) == []


def test_counting_says_how_many_would_be_set_aside(spoiled):
    settings = config.Dataset(bad_examples="set_aside", max_bad_fraction=0.2)
    counted = spoiled.count(settings)
    assert (counted.bad, sum(counted.examples["train"].values())) == (2, 20)


def test_there_may_be_nothing(parent):
    assert quarantine.find(parent) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset.json", "{}"),
        (quarantine.QUARANTINE_FILE, "{}\n"),
        (quarantine.QUARANTINE_FILE, '{"split": '),
    ],
)
def test_a_damaged_quarantine_is_named(spoiled, parent, refusal, name, content):
    directory = allow(spoiled, parent).directory
    (directory / name).write_text(content)
    with refusal(f"{directory} is damaged, ", "remove it"):
        quarantine.read(directory)


def test_a_quarantine_that_cannot_be_read_is_named(spoiled, parent, refusal):
    directory = allow(spoiled, parent).directory
    (directory / "dataset.json").unlink()
    with refusal(f"{directory / 'dataset.json'} can't be read: No such file", "--root"):
        quarantine.read(directory)
