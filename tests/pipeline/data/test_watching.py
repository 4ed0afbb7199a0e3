import os

import pytest

from pipeline import config
from pipeline.data import watching
from pipeline.data.watching import Place, arrivals

PATTERN = config.Dataset().pattern
SPLITS = ("train", "eval", "test")


class EnoughError(Exception):
    """The time that a test has for waiting is over."""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, PATTERN)


def put(place, span, splits=SPLITS, text="a record", shard=""):
    for split in splits:
        file = place.directory / f"span-{span}" / "version-1" / f"{split}-0{shard}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def watch(place):
    """Watches; between two looks something happens. Returns what arrived and what was said."""

    def watch(*events):
        told = []
        left = list(events)

        def sleep(seconds):
            assert seconds == 7
            if not left:
                raise EnoughError
            left.pop(0)()

        spans = arrivals(place, 7, lambda text: told.append(f"waiting: {text}"), sleep)
        with pytest.raises(EnoughError):
            told.extend(spans)
        return told

    return watch


def nothing():
    pass


def test_what_is_there_from_the_start_arrives_once_it_is_seen_not_to_change(place, watch):
    put(place, 1)
    assert watch() == []
    assert watch(nothing) == ["span 1"]
    assert watch(nothing, nothing, nothing) == ["span 1"]


def test_a_new_span_arrives_after_the_one_before(place, watch):
    put(place, 9)
    assert watch(nothing, lambda: put(place, 10), nothing) == ["span 9", "span 10"]


def test_a_span_that_lacks_a_split_is_waited_for_and_said_once(place, watch):
    put(place, 1)
    told = watch(
        nothing,
        lambda: put(place, 2, ["train"]),
        nothing,
        lambda: put(place, 2, ["eval"]),
        lambda: put(place, 2, ["test"]),
        nothing,
    )
    assert [one.split(":")[0] for one in told] == ["span 1", "waiting", "waiting", "span 2"]
    assert "no eval and no test split by span-2/version-1/{SPLIT}-*" in told[1]
    assert "no test split" in told[2]


def test_a_lost_shard_is_waited_for(place, watch):
    put(place, 1, shard="0000-of-00002")
    told = watch(nothing, lambda: put(place, 1, shard="0001-of-00002"), nothing)
    assert "lacks span-1/version-1/train-00000-of-00002" in told[0] or len(told) == 2
    assert told[-1] == "span 1"


def test_a_span_that_is_still_being_written_is_not_taken(place, watch):
    put(place, 1)

    def grow():
        with (place.directory / "span-1" / "version-1" / "test-0").open("a") as file:
            file.write("another record")

    assert watch(grow, grow, grow) == []
    assert watch(grow, nothing) == ["span 1"]


def test_a_span_that_changes_after_it_was_taken_is_taken_again(place, watch):
    put(place, 1)
    change = place.directory / "span-1" / "version-1" / "test-0"
    assert watch(nothing, lambda: os.utime(change, (1, 1)), nothing) == ["span 1", "span 1"]


def test_an_older_span_is_no_news(place, watch):
    put(place, 2)
    assert watch(nothing, lambda: put(place, 1), nothing, nothing) == ["span 2"]


def test_a_directory_that_is_empty_or_gone_is_waited_for(place, watch, tmp_path):
    told = watch(lambda: put(place, 1), nothing)
    assert f"{tmp_path} has no TFRecords named" in told[0]
    assert told[1:] == ["span 1"]


def test_the_place_is_that_of_the_settings_or_of_the_environment(tmp_path, monkeypatch):
    assert Place.of(config.Dataset(dir=tmp_path)) == Place(tmp_path, PATTERN)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path))
    assert Place.of(config.Dataset()) == Place(tmp_path, PATTERN)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "--watch waits for spans of TFRecords of your own: name their directory"),
        ({"name": "sample", "dir": "."}, "--watch waits for spans of TFRecords of your own"),
        ({"dir": "nowhere"}, "There is no directory"),
        ({"dir": ".", "pattern": "{SPLIT}"}, "dataset.pattern = '{SPLIT}' has none"),
        ({"dir": ".", "pattern": "*"}, "without {SPLIT}"),
    ],
)
def test_where_no_span_can_arrive_nobody_waits(tmp_path, monkeypatch, refusal, settings, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    with refusal(reason):
        Place.of(config.Dataset.model_validate_json(watching_json(settings)))


def watching_json(settings):
    return config.Dataset.model_construct(**settings).model_dump_json(include=set(settings))


def test_nothing_is_waited_for_faster_than_a_disk_can_be_listed():
    assert watching.INTERVAL_S >= 1
