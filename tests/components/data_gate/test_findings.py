from components.data_gate.findings import (
    ADVICE,
    DataRefusedError,
    Finding,
    Picture,
    read_findings,
    without_pictures,
    write_findings,
)

STOP = Finding("leak", "stop", "image", "test", "3 of 9 are in train", (Picture("iVBO", "Bag"),))
WARNING = Finding("new_feature", "warn", "extra", "train", "New column")


def test_findings_are_read_as_they_were_written(tmp_path):
    write_findings(tmp_path, [STOP, WARNING])
    assert read_findings(tmp_path) == [STOP, WARNING]


def test_sentence_says_where_what_and_the_way_out():
    assert STOP.sentence == (
        "image in test: 3 of 9 are in train; leave them out of one of the two splits"
    )


def test_refusal_tells_what_stops_the_run_and_keeps_the_rest():
    error = DataRefusedError([STOP, WARNING])
    assert str(error) == STOP.sentence
    assert error.findings == [STOP, WARNING]


def test_pictures_can_be_left_out():
    [one] = without_pictures([STOP])
    assert (one.pictures, one.sentence) == ((), STOP.sentence)


def test_every_kind_has_advice():
    assert all(ADVICE.values())
