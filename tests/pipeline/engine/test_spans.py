"""Spans that come one after the other: what is learnt from, compared and measured.

By the real command, graph, runner, resolvers and books; stand-ins read, judge, train and evaluate.
"""

import pytest

from pipeline import nodes
from tests.pipeline.plant import Plant

WINDOW = ("--set", "dataset.window=3")


@pytest.fixture
def plant(tmp_path, monkeypatch, write_records):
    return Plant(tmp_path, monkeypatch, write_records)


def spans(answer):
    return answer.result["spans"]


def test_the_newest_span_alone_is_learnt_from_where_nothing_else_is_said(plant):
    assert spans(plant.run()) == ["span 1"]
    plant.put(2)
    assert spans(plant.run()) == ["span 2"]


def test_what_needs_a_span_before_is_there_from_the_second_on(plant):
    first = plant.run()
    assert not nodes.OF_SPANS & first.states.keys()
    assert first.result["first_test"] is None
    plant.put(2)
    second = plant.run()
    assert nodes.OF_SPANS - second.states.keys() == {nodes.SPAN_WINDOW}
    assert second.result["first_test"]["span"] == "span 1"
    plant.put(3)
    assert plant.run().result["first_test"]["span"] == "span 1"


def test_nothing_new_does_nothing(plant):
    plant.put(2)
    for argv in ((), WINDOW):
        plant.run(*argv)
        again = plant.run(*argv)
        assert {again.states[node] for node in set(again.states) - nodes.RESOLVERS} == {"cached"}
        assert again.code == 0


def test_a_window_has_the_spans_that_no_run_has_seen_yet(plant):
    plant.put(2)
    plant.put(3)
    plant.put(4)
    answer = plant.run(*WINDOW)
    assert spans(answer) == ["span 4", "span 3", "span 2"]
    # They were looked at before, and so this one is compared.
    assert answer.states[nodes.DRIFT_VALIDATOR] == "done"


def test_what_the_gate_refuses_is_left_out_of_the_window_and_said(plant):
    plant.put(2)
    plant.put(3)
    plant.refuse(2)
    answer = plant.run(*WINDOW)
    assert spans(answer) == ["span 3", "span 1"]
    [note] = [note for note in answer.result["notes"] if "window" in note]
    assert note == "span 2 is not in the window: ink in train: it is inverted (and 1 more)"


def test_a_newest_span_that_is_refused_is_stopped_and_never_learnt_from(plant):
    assert plant.run(*WINDOW).code == 0
    plant.put(2)
    plant.refuse(2)
    refused = plant.run(*WINDOW)
    assert (refused.code, refused.states[nodes.DATA_GATE]) == (4, "failed")
    assert refused.states[nodes.TRANSFORM] == "waiting"
    plant.put(3)
    after = plant.run(*WINDOW)
    assert (after.code, spans(after)) == (0, ["span 3", "span 1"])
    assert after.result["first_test"]["span"] == "span 1"


def test_an_older_span_that_is_corrected_in_place_is_learnt_from_anew(plant):
    plant.put(2)
    plant.run(*WINDOW)
    plant.put(1, label=2)
    answer = plant.run(*WINDOW)
    assert spans(answer) == ["span 2", "span 1"]
    assert answer.states[nodes.TRAINER] == "done"
    assert answer.states[nodes.IMPORT_EXAMPLE_GEN] == "cached"


def test_a_span_that_was_removed_since_is_still_in_the_window(plant):
    plant.run()
    plant.put(2)
    (plant.data / "span-1").rename(plant.data.parent / "moved")
    assert spans(plant.run(*WINDOW)) == ["span 2", "span 1"]


def test_a_part_that_learns_draws_the_window_up_anew(plant):
    plant.put(2)
    plant.run(*WINDOW)
    answer = plant.run(*WINDOW, "--epochs", "30", from_node=nodes.TRAINER)
    assert answer.states[nodes.TRAINER] == "done"
    assert spans(answer) == ["span 2", "span 1"]
    assert answer.result["first_test"]["span"] == "span 1"


@pytest.mark.parametrize("flag", ["from_node", "to_node"])
def test_a_part_between_nodes_that_are_not_there_is_refused(plant, flag):
    answer = plant.run(**{flag: nodes.DRIFT_VALIDATOR})
    assert answer.code == 2
    assert "is there only where a span came before the newest" in answer.cause


def test_a_part_up_to_the_statistics_looks_at_no_other_span(plant):
    plant.put(2)
    plant.refuse(1)
    answer = plant.run(*WINDOW, to_node=nodes.IMAGE_STATISTICS)
    assert answer.code == 0
    assert not [note for note in answer.result["notes"] if "window" in note]
