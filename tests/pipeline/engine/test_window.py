import pytest

from pipeline import config
from pipeline.data.kinds import OwnRecords
from pipeline.engine import window

SPLITS = ("train", "eval", "test")


@pytest.fixture
def take_in(tmp_path, write_records):
    """Takes in what is before the newest of five spans: what was looked at, and what was said."""
    for span in (8, 9, 10, 11, 12):
        for split in SPLITS:
            write_records(tmp_path / f"span-{span}" / "version-1" / f"{split}-0.gz", [span % 10])

    def take_in(size, refused=(), damaged=None):
        looked_at = []
        if damaged:
            (tmp_path / f"span-{damaged}" / "version-1" / "test-0.gz").write_text("broken")

        def look_at(name, data):
            assert name == f"span {data.span}"
            looked_at.append(data.span)
            return "its images are inverted" if data.span in refused else ""

        settings = config.Dataset(window=size)
        notes = window.take_in(OwnRecords(tmp_path), settings, tmp_path / "records", look_at)
        return looked_at, notes

    return take_in


@pytest.mark.parametrize(
    ("size", "looked_at"), [(1, []), (2, [11]), (4, [9, 10, 11]), (9, [8, 9, 10, 11])]
)
def test_as_many_spans_as_are_needed_are_looked_at_the_oldest_first(take_in, size, looked_at):
    assert take_in(size) == (looked_at, [])


def test_where_one_is_refused_the_one_before_takes_its_place(take_in):
    looked_at, notes = take_in(3, refused=(11,))
    assert looked_at == [10, 11, 9]
    assert notes == ["span 11 is not in the window: its images are inverted"]


def test_a_damaged_span_is_left_out_as_one_that_is_refused(take_in):
    looked_at, [note] = take_in(2, damaged=11)
    assert looked_at == [10]
    assert note.startswith("span 11 is not in the window: ")
    assert "span-11" in note


def test_all_may_be_refused(take_in):
    looked_at, notes = take_in(3, refused=(8, 9, 10, 11))
    assert sorted(looked_at) == [8, 9, 10, 11]
    assert len(notes) == 4
