import hashlib
import json

import numpy as np
import pytest

from pipeline import config
from pipeline.data import examples, idx, kinds, preparation, records, writing
from pipeline.data.kinds import OfficialFiles, OwnRecords, Sample
from tests.pipeline.data.preparing import prepare, sizes
from trainer_module import features

SPLITS = ("train", "eval", "test")


def sums(directory):
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.usefixtures("in_one_process")
def test_the_real_training_set_is_split_55000_to_5000_and_the_test_set_kept(
    official_dir, parent, monkeypatch, read_records
):
    # Encoding 70,000 images takes longer than everything else together.
    monkeypatch.setattr(examples, "_encode_png", lambda image: b"")
    prepared = prepare(OfficialFiles(official_dir), parent)
    assert sizes(prepared) == {"train": 55_000, "eval": 5_000, "test": 10_000}
    [evaluation] = prepared.directory.glob("span-1/version-1/eval-*")
    labels = [label for _, label in read_records([evaluation])]
    assert np.bincount(labels).tolist() == [500] * 10


def test_what_is_prepared_is_described(official, parent):
    prepared = prepare(official, parent, eval_examples=20)
    assert prepared.source == official
    assert prepared.directory.parent == parent
    assert prepared.directory.name.startswith("fashion_mnist-")
    assert prepared.examples == {
        split: dict.fromkeys(features.CLASS_NAMES, count)
        for split, count in (("train", 10), ("eval", 2), ("test", 4))
    }


def test_train_and_eval_are_the_training_set_without_an_overlap(official, parent, read):
    prepared = prepare(official, parent, eval_examples=30)
    training_set, _ = idx.read_official(official.directory)
    expected = {
        (image.tobytes(), label)
        for image, label in zip(training_set.images, training_set.labels, strict=True)
    }
    train, evaluation = set(read(prepared, "train")), set(read(prepared, "eval"))
    assert (len(train), len(evaluation)) == (90, 30)
    assert train | evaluation == expected


def test_eval_has_each_class_in_its_share_of_the_training_set(make_official, parent):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 10 * np.arange(1, 11)))
    source = OfficialFiles(make_official(labels, [0]))
    prepared = prepare(source, parent, eval_examples=55)
    assert list(prepared.examples["eval"].values()) == [*range(1, 11)]


def test_test_is_the_test_set_in_its_order(official, parent, read):
    prepared = prepare(official, parent, eval_examples=30)
    _, test_set = idx.read_official(official.directory)
    images = [image.tobytes() for image in test_set.images]
    assert read(prepared, "test") == list(zip(images, test_set.labels, strict=True))


def test_train_is_shuffled(official, parent, read):
    prepared = prepare(official, parent, eval_examples=20)
    training_set, _ = idx.read_official(official.directory)
    order = {image.tobytes(): number for number, image in enumerate(training_set.images)}
    found = [order[image] for image, _ in read(prepared, "train")]
    # Of two neighbours, the second comes later in about half of the cases.
    assert 0.35 < (np.diff(found) > 0).mean() < 0.65


def test_the_same_settings_give_the_same_bytes(official, parent):
    first, second = (
        prepare(official, parent / place, eval_examples=20, max_examples=50) for place in "ab"
    )
    assert first.directory.name == second.directory.name
    assert len(sums(first.directory)) == 4
    assert sums(first.directory) == sums(second.directory)


def test_another_seed_gives_another_split_beside_the_first(official, parent, read):
    first, second = (prepare(official, parent, eval_examples=20, seed=seed) for seed in (0, 1))
    assert first.directory != second.directory
    assert first.examples == second.examples
    assert set(read(first, "eval")) != set(read(second, "eval"))


@pytest.mark.parametrize(
    ("kind", "unused"),
    [
        ("sample", {"eval_examples": 7}),
        ("sample", {"max_examples": 4000}),
        ("official", {"max_examples": 60_000}),
        ("official", {"pattern": "{SPLIT}"}),
    ],
)
def test_settings_without_effect_make_no_other_records(official, parent, kind, unused, monkeypatch):
    monkeypatch.setattr(kinds.sample_images, "draw", lambda size, seed: ([], []))
    monkeypatch.setattr(preparation.records, "write_splits", write_nothing)
    source = official if kind == "official" else Sample()
    before, after = (
        prepare(source, parent, **{"eval_examples": 20, **settings}) for settings in ({}, unused)
    )
    assert before.directory == after.directory


def write_nothing(directory, splits, manifest, meanwhile):
    directory.mkdir(parents=True)
    (directory / preparation.records.MANIFEST_FILE).write_text('{"examples": {}}')


@pytest.mark.parametrize("change", [{"eval_examples": 30}, {"max_examples": 10}, {"seed": 2}])
def test_other_settings_never_take_records_prepared_before(official, parent, change):
    settings = {"eval_examples": 20}
    first = prepare(official, parent, **settings)
    assert prepare(official, parent, **{**settings, **change}).directory != first.directory


def test_a_second_call_writes_nothing_and_says_the_same(official, parent):
    def state():
        return {path: path.stat().st_mtime_ns for path in [parent, *parent.rglob("*")]}

    first = prepare(official, parent, eval_examples=20)
    before = state()
    assert prepare(official, parent, eval_examples=20) == first
    assert state() == before


def test_max_examples_keeps_the_share_of_each_class(make_official, parent, read):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 10 * np.arange(1, 11)))
    source = OfficialFiles(make_official(labels, labels[:200]))
    prepared = prepare(source, parent, eval_examples=110, max_examples=55)
    assert sizes(prepared) == dict.fromkeys(SPLITS, 55)
    for split in ("train", "eval"):
        assert list(prepared.examples[split].values()) == [*range(1, 11)]
        assert len(set(read(prepared, split))) == 55
    shares = np.bincount(labels[:200]) * 55 / 200
    assert np.abs(np.array(list(prepared.examples["test"].values())) - shares).max() < 1
    assert not set(read(prepared, "train")) & set(read(prepared, "eval"))


def test_max_examples_beyond_a_split_keeps_all_of_it(official, parent):
    prepared = prepare(official, parent, eval_examples=20, max_examples=50)
    assert sizes(prepared) == {"train": 50, "eval": 20, "test": 40}


@pytest.mark.parametrize("count", [120, 5000])
def test_eval_examples_that_leave_nothing_to_train_on_are_refused(official, parent, refusal, count):
    with refusal(f"dataset.eval_examples = {count} leaves nothing", "should be less than 120"):
        prepare(official, parent, eval_examples=count)
    assert not parent.exists()


def test_one_example_is_enough_to_train_on(official, parent):
    assert sizes(prepare(official, parent, eval_examples=119))["train"] == 1


def test_a_damaged_official_file_is_refused_and_nothing_is_written(official, parent, refusal):
    file = official.directory / idx.OFFICIAL_FILES[2].name
    file.write_bytes(file.read_bytes()[:-100])
    with refusal(file, "is cut off or damaged"):
        prepare(official, parent, eval_examples=20)
    assert not parent.exists()


def test_a_disk_that_is_full_is_refused_and_nothing_is_left(official, parent, monkeypatch, refusal):
    def fail(image, label):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "to_example", fail)
        with refusal(parent, "No space left on device; free some space", "--root"):
            prepare(official, parent, eval_examples=20)
    assert list(parent.iterdir()) == []
    assert sizes(prepare(official, parent, eval_examples=20))["train"] == 100


def test_a_place_that_cannot_be_written_is_refused(official, parent, refusal):
    parent.write_text("mine")
    with refusal(f"can't be written to {parent}", "mend its permissions", "--root"):
        prepare(official, parent, eval_examples=20)
    assert parent.read_text() == "mine"


def test_a_place_that_cannot_even_be_asked_about_is_refused(official, tmp_path, refusal):
    # Permissions do not stop root, and a name too long stops everyone in the same place.
    parent = tmp_path / ("x" * 300)
    with refusal(f"can't be written to {parent}", "File name too long", "--root"):
        prepare(official, parent, eval_examples=20)


def test_records_of_ones_own_are_taken_as_they_are(own, parent):
    before = sums(own.directory)
    prepared = prepare(own, parent)
    assert prepared == preparation.Prepared(
        source=own,
        directory=own.directory,
        pattern="span-{SPAN:1}/version-{VERSION:1}/{SPLIT}-*",
        examples=dict.fromkeys(SPLITS, records.count_classes([1, 2])),
        content=prepared.content,
        span=2,
    )
    assert len(prepared.content) == 64
    assert sums(own.directory) == before
    assert not parent.exists()


def test_records_of_ones_own_may_have_a_pattern_of_their_own(tmp_path, parent, write_records):
    for split in SPLITS:
        write_records(tmp_path / "own" / f"{split}.tfrecord", [1])
    source = OwnRecords(tmp_path / "own")
    assert prepare(source, parent, pattern="{SPLIT}.tfrecord").pattern == "{SPLIT}.tfrecord"


@pytest.mark.parametrize("split", SPLITS)
def test_records_of_ones_own_without_a_split_are_refused(own, parent, refusal, split):
    [file] = own.directory.glob(f"*/*/{split}-*")
    file.unlink()
    with refusal(
        f"{own.directory} has no {split} split", f"write TFRecords named span-2/version-3/{split}-*"
    ):
        prepare(own, parent)


@pytest.mark.parametrize("split", SPLITS)
def test_records_of_ones_own_to_another_contract_are_refused(
    own, parent, write_records, refusal, split
):
    file = own.directory / "span-2" / "version-3" / f"{split}-00001.tfrecord.gz"
    write_records(file, [3, {"pixels": b"png", "label": 1}])
    with refusal("1 of 8 examples", f"record 2 of {file}, has nothing (there is label, pixels)"):
        prepare(own, parent)


def test_a_shard_without_examples_is_fine_where_others_have_some(own, parent, write_records):
    for name in ("train-00000.a.gz", "train-00009.gz"):
        write_records(own.directory / "span-2" / "version-3" / name, [])
    assert sizes(prepare(own, parent)) == dict.fromkeys(SPLITS, 2)


def test_a_directory_of_ones_own_records_that_cannot_be_read_is_refused(own, monkeypatch, refusal):
    def glob(path, pattern):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(kinds.Path, "glob", glob)
    with refusal(f"{own.directory} can't be read: Permission denied"):
        own.count(config.Dataset())


@pytest.mark.parametrize(
    "lost", ["dataset.json", "span-1/version-1/train-00000-of-00001.tfrecord.gz"]
)
def test_records_that_lost_a_file_are_prepared_again(official, parent, lost, caplog):
    first = prepare(official, parent, eval_examples=20)
    before = sums(first.directory)
    (first.directory / lost).unlink()
    assert prepare(official, parent, eval_examples=20) == first
    assert sums(first.directory) == before
    assert f"{first.directory} is not as it was written" in caplog.text


def test_damaged_records_are_kept_if_the_images_are_gone(official, parent, refusal):
    directory = prepare(official, parent, eval_examples=20).directory
    (directory / "dataset.json").write_text("{")
    (official.directory / idx.OFFICIAL_FILES[0].name).unlink()
    with refusal(official.directory, "lacks"):
        prepare(official, parent, eval_examples=20)
    assert (directory / "dataset.json").read_text() == "{"


@pytest.mark.usefixtures("in_one_process")
def test_the_sample_is_large_enough_to_learn_from_and_balanced(parent, monkeypatch):
    monkeypatch.setattr(examples, "_encode_png", lambda image: b"")
    prepared = prepare(Sample(), parent)
    assert prepared.examples == {
        split: dict.fromkeys(features.CLASS_NAMES, count)
        for split, count in (("train", 400), ("eval", 50), ("test", 100))
    }


def test_the_sample_never_passes_for_fashion_mnist(small_sample, parent):
    prepared = prepare(small_sample, parent)
    assert prepared.source == small_sample
    assert prepared.directory.name.startswith("sample-")
    manifest = json.loads((prepared.directory / "dataset.json").read_text())
    assert manifest["dataset"] == "sample"


def test_no_image_of_the_sample_is_in_two_splits(small_sample, parent, read):
    prepared = prepare(small_sample, parent)
    images = [image for split in SPLITS for image, _ in read(prepared, split)]
    assert len(set(images)) == len(images) == 70


def test_another_seed_gives_another_sample(small_sample, parent, read):
    first, second = (prepare(small_sample, parent, seed=seed) for seed in (0, 10))
    assert not set(read(first, "train")) & set(read(second, "train"))
