import pytest
from tfx.components.example_gen.utils import date_to_span_number

from pipeline import config
from pipeline.data import patterns

PATTERN = config.Dataset().pattern
SPLITS = ("train", "eval", "test")


def touch(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def put(directory, pattern):
    """Makes a file of each split."""
    touch(directory, *(pattern.replace("{SPLIT}", split) for split in SPLITS))


@pytest.mark.parametrize(
    "pattern",
    [
        PATTERN,
        "{SPLIT}",
        "{SPLIT}/*.gz",
        "{SPLIT}-[ab]-?",
        "{SPAN:3}/{VERSION:2}/{SPLIT}",
        "{YYYY}-{MM}-{DD}/v{VERSION}/{SPLIT}",
    ],
)
def test_a_pattern_that_all_understand_alike_passes(pattern):
    patterns.check(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("*.gz", "without {SPLIT}, train, eval and test would be the same files"),
        ("", "without {SPLIT}"),
        ("{split}", "without {SPLIT}"),
        ("{SPLIT}/{SPLIT}-*", "{SPLIT} is in it more than once"),
        ("{SPAN}/{SPAN:2}/{SPLIT}", "{SPAN} is in it more than once"),
        ("{SPLIT}-{SHARD}", "{SHARD} stands for nothing, what does is {SPLIT}, {SPAN}"),
        ("{SPLIT}-{SPAN:x}", "{SPAN:x} stands for nothing"),
        ("{SPLIT}-{SPAN:0}", "{SPAN:0} stands for nothing"),
        ("{SPLIT:2}", "{SPLIT:2} stands for nothing"),
        ("{SPLIT}-{MM:2}", "{MM:2} stands for nothing"),
        ("{SPLIT}-{a,b", "a brace stands for nothing"),
        ("{YYYY}/{SPLIT}", "a span is {SPAN} or all of {YYYY}, {MM} and {DD}"),
        ("{SPAN}/{YYYY}{MM}{DD}/{SPLIT}", "a span is {SPAN} or all of"),
        ("v{VERSION}/{SPLIT}", "a {VERSION} is one of a span, so put in {SPAN} as well"),
        ("**/{SPLIT}", "** in it is not understood alike"),
        ("{SPLIT}[!a]", "[! in it is not understood alike"),
        ("{SPLIT}[", "[ in it is not understood alike"),
        ("{SPLIT}|{SPAN}", "| in it is not understood alike"),
        ("/data/{SPLIT}", "it must stay below the directory with the data"),
        ("../{SPLIT}", "it must stay below the directory with the data"),
        ("./{SPLIT}/", "write it as '{SPLIT}'"),
        ("{SPAN}*/{SPLIT}", "where {SPAN} ends nobody can tell, so write {SPAN:n} for n digits"),
        ("{SPAN}/*{VERSION}/{SPLIT}", "where {VERSION} ends nobody can tell"),
        ("{SPAN}{VERSION}/{SPLIT}", "where {SPAN} ends nobody can tell"),
    ],
)
def test_a_pattern_that_would_be_misunderstood_is_refused(refusal, pattern, reason):
    with refusal(f"dataset.pattern = {pattern!r} is not allowed: {reason}"):
        patterns.check(pattern)


def test_a_split_has_the_files_of_the_newest_span_and_version_in_order(tmp_path):
    for version in (9, 10):
        for number in (1, 0):
            put(tmp_path, f"span-10/version-{version}/{{SPLIT}}-{number}")
    put(tmp_path, "span-9/version-11/{SPLIT}-0")
    newest = tmp_path / "span-10" / "version-10"
    assert patterns.find_newest(tmp_path, PATTERN) == {
        split: [newest / f"{split}-0", newest / f"{split}-1"] for split in SPLITS
    }


@pytest.mark.parametrize(
    ("pattern", "older", "newest"),
    [
        ("{SPLIT}-[ab]", "{SPLIT}-c", "{SPLIT}-b"),
        ("{SPLIT}-?x*", "{SPLIT}-xy", "{SPLIT}-1xyz"),
        ("{SPLIT}/{SPAN}.gz", "{SPLIT}/9.gz", "{SPLIT}/10.gz"),
        ("{SPLIT}-{SPAN:2}", "{SPLIT}-09", "{SPLIT}-10"),
        ("v{VERSION}/s{SPAN}/{SPLIT}", "v2/s1/{SPLIT}", "v1/s2/{SPLIT}"),
        ("{YYYY}{MM}{DD}-{SPLIT}", "20250131-{SPLIT}", "20250201-{SPLIT}"),
        ("{DD}.{MM}.{YYYY}-{SPLIT}", "31.01.2025-{SPLIT}", "01.02.2025-{SPLIT}"),
    ],
)
def test_a_pattern_of_ones_own_is_followed(tmp_path, pattern, older, newest):
    put(tmp_path, older)
    put(tmp_path, newest)
    assert patterns.find_newest(tmp_path, pattern) == {
        split: [tmp_path / newest.replace("{SPLIT}", split)] for split in SPLITS
    }


def test_any_file_of_any_split_makes_a_directory_one_of_records(tmp_path):
    assert not patterns.matches_any(tmp_path, PATTERN)
    touch(tmp_path, "span-old/version-1/test-0")
    assert patterns.matches_any(tmp_path, PATTERN)


@pytest.mark.parametrize("missing", SPLITS)
def test_the_newest_span_must_have_every_split(tmp_path, refusal, missing):
    put(tmp_path, "span-1/version-1/{SPLIT}-0")
    put(tmp_path, "span-2/version-1/{SPLIT}-0")
    (tmp_path / f"span-2/version-1/{missing}-0").unlink()
    others = " and ".join(split for split in SPLITS if split != missing)
    with refusal(
        f"{tmp_path} has no {missing} split by span-2/version-1/{{SPLIT}}-*, only {others}: "
        f"write TFRecords named span-2/version-1/{missing}-*, or move those out to take "
        "span-1/version-1/{SPLIT}-*."
    ):
        patterns.find_newest(tmp_path, PATTERN)


def test_the_newest_version_must_have_every_split(tmp_path, refusal):
    put(tmp_path, "span-1/version-1/{SPLIT}-0")
    touch(tmp_path, "span-1/version-2/train-0")
    with refusal("has no eval and no test split by span-1/version-2/{SPLIT}-*, only train"):
        patterns.find_newest(tmp_path, PATTERN)


def test_without_spans_a_missing_split_is_told_by_the_pattern(tmp_path, refusal):
    touch(tmp_path, "train.gz", "test.gz")
    with refusal("no eval split", "write TFRecords named eval.gz, or set dataset.pattern"):
        patterns.find_newest(tmp_path, "{SPLIT}.gz")


def test_files_that_have_vanished_are_said_to_be_missing(tmp_path, refusal):
    with refusal(f"{tmp_path} has no TFRecords named {PATTERN}"):
        patterns.find_newest(tmp_path, PATTERN)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (PATTERN, "span-old/version-1/train-0"),
        (PATTERN, "span-3/version-new/train-0"),
        ("{SPLIT}-{SPAN:2}", "train-123"),
        ("{YYYY}{MM}{DD}-{SPLIT}", "20250230-train"),
    ],
)
def test_what_is_no_number_or_date_is_named(tmp_path, refusal, pattern, name):
    touch(tmp_path, name)
    with refusal(f"{tmp_path / name} has something else where dataset.pattern", "move it out"):
        patterns.find_newest(tmp_path, pattern)


def test_two_names_of_one_span_are_refused(tmp_path, refusal):
    put(tmp_path, "1/{SPLIT}")
    put(tmp_path, "01/{SPLIT}")
    with refusal("has 01/{SPLIT} and 1/{SPLIT}, which are the same span: remove one"):
        patterns.find_newest(tmp_path, "{SPAN}/{SPLIT}")


def test_a_shard_that_the_others_tell_of_is_missed(tmp_path, refusal):
    put(tmp_path, "span-1/version-1/{SPLIT}-00001-of-00002.gz")
    with refusal(f"{tmp_path} lacks span-1/version-1/train-00000-of-00002.gz"):
        patterns.find_newest(tmp_path, PATTERN)


def test_spans_are_found_with_their_newest_versions_in_the_order_of_their_numbers(tmp_path):
    for place in ("span-10/version-1", "span-9/version-9", "span-9/version-10", "span-0/version-1"):
        put(tmp_path, f"{place}/{{SPLIT}}-0")
    found = patterns.find_spans(tmp_path, PATTERN)
    assert [edition.age for edition in found] == [(0, 1), (9, 10), (10, 1)]


def test_a_span_that_is_a_date_counts_as_tfx_counts_it_and_has_the_name_of_the_day(tmp_path):
    pattern = "{YYYY}-{MM}-{DD}/{SPLIT}"
    put(tmp_path, "2025-02-01/{SPLIT}")
    [edition] = patterns.find_spans(tmp_path, pattern)
    assert edition.span == date_to_span_number(2025, 2, 1)
    assert patterns.name_span(pattern, edition.span) == "span 2025-02-01"
    assert patterns.name_span(PATTERN, 7) == "span 7"


@pytest.mark.parametrize(
    ("pattern", "files", "asked"),
    [
        # Without the number of digits, TFX would look for span-7 and version-2.
        (PATTERN, ["span-007/version-02"], "span-{SPAN:3}/version-{VERSION:2}/{SPLIT}-*"),
        (PATTERN, ["span-7/version-2"], "span-{SPAN:1}/version-{VERSION:1}/{SPLIT}-*"),
        # With it, TFX would refuse version-9.
        (
            PATTERN,
            ["span-7/version-9", "span-7/version-10"],
            "span-{SPAN:1}/version-{VERSION}/{SPLIT}-*",
        ),
        ("{SPAN:3}/{SPLIT}", ["007"], "{SPAN:3}/{SPLIT}"),
        ("{SPLIT}-*", [], "{SPLIT}-*"),
    ],
)
def test_tfx_is_told_how_many_digits_the_numbers_have(tmp_path, pattern, files, asked):
    for place in files or ["."]:
        put(tmp_path, f"{place}/{{SPLIT}}-0" if pattern.endswith("*") else f"{place}/{{SPLIT}}")
    newest = patterns.find_spans(tmp_path, pattern)[-1]
    assert patterns.ask_for(tmp_path, pattern, newest) == asked


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        (PATTERN, ["span-7/version-1/{SPLIT}-0", "span-7/version-02/{SPLIT}-0"]),
        # TFX takes "9-a" for a version.
        ("{SPLIT}-{SPAN}-{VERSION}-*", ["{SPLIT}-7-9-a-b", "{SPLIT}-7-10-a"]),
    ],
)
def test_versions_that_tfx_cannot_tell_are_refused(tmp_path, refusal, pattern, files):
    for name in files:
        put(tmp_path, name)
    newest = patterns.find_spans(tmp_path, pattern)[-1]
    with refusal(f"{tmp_path} has the versions", newest.pattern, "write them with as many digits"):
        patterns.ask_for(tmp_path, pattern, newest)


def test_a_span_that_tfx_cannot_count_is_refused(tmp_path, refusal):
    put(tmp_path, "202501311200/{SPLIT}")
    [edition] = patterns.find_spans(tmp_path, "{SPAN}/{SPLIT}")
    with refusal(f"{tmp_path} has 202501311200/{{SPLIT}}", "write their date"):
        patterns.ask_for(tmp_path, "{SPAN}/{SPLIT}", edition)


@pytest.mark.parametrize(
    ("pattern", "spans"),
    [
        (PATTERN, True),
        ("{YYYY}{MM}{DD}/{SPLIT}", True),
        ("{SPAN:2}-{SPLIT}", True),
        ("{SPLIT}", False),
    ],
)
def test_a_pattern_says_whether_there_are_spans(pattern, spans):
    assert patterns.has_spans(pattern) == spans
