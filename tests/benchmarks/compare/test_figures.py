import itertools

import pytest

from benchmarks.compare import figures
from benchmarks.compare.figures import Interval, Measured, Ratio, Run
from benchmarks.compare.process import Usage
from pipeline import nodes


def run(wall=10.0, cpu=20.0, stages=None, **fields) -> Run:
    """A run whose components took so many seconds, one after the other."""
    ends = itertools.accumulate((stages or {}).values(), initial=0.0)
    times = zip(stages or {}, itertools.pairwise(ends), strict=True)
    intervals = [Interval(name, began, ended) for name, (began, ended) in times]
    return Run(Usage(wall, cpu, 1500.0), intervals, **fields)


def measured(**runs) -> Measured:
    return Measured({"cores": 2}, {"epochs": 1}, {side: side.upper() for side in runs}, runs)


def rows(document: Measured) -> dict[str, list[str]]:
    """The cells of all tables by the first of each row."""
    lines = [line for line in figures.tables(document).splitlines() if line]
    return {cells[0]: cells[1:] for line in lines for cells in [line.strip("| ").split(" | ")]}


STAGES = {nodes.TRANSFORM: 2.0, nodes.LEARNING_RATE_FINDER: 1.0, nodes.TRAINER: 3.0}


def test_a_pipeline_is_parted_into_training_all_else_and_both_ends():
    one = run(10.0, stages=STAGES)
    assert one.other_stages == 2.0
    assert one.besides_training == 6.0
    assert one.start_and_end == 4.0


def test_components_that_ran_side_by_side_share_that_time():
    images = Interval(nodes.IMAGE_STATISTICS, 0.0, 3.0)
    statistics = Interval(nodes.STATISTICS_GEN, 1.0, 5.0)
    one = Run(Usage(10.0, 20.0, 1500.0), [images, statistics])
    assert one.stages == {nodes.IMAGE_STATISTICS: 3.0, nodes.STATISTICS_GEN: 4.0}
    assert one.shares == {nodes.IMAGE_STATISTICS: 2.0, nodes.STATISTICS_GEN: 3.0}
    assert one.other_stages == one.start_and_end == 5.0


def test_what_has_no_components_has_no_parts():
    assert run().other_stages is run().besides_training is run().start_and_end is None


def test_an_epoch_is_the_median_of_those_that_were_timed():
    assert run(epochs_s=[5.0, 4.0, 9.0]).epoch == 5.0
    assert run().epoch is None


def test_a_ratio_is_taken_within_each_round():
    runs = {"ours": [run(1.0), run(9.0), run(5.0)], "textbook": [run(2.0), run(10.0)]}
    assert Ratio("", "ours", "textbook").of(runs) == [0.5, 0.9]
    assert Ratio("", "ours", "keras").of(runs) == []


def test_a_ratio_of_a_part_needs_it_on_both_sides():
    evaluator = figures.stage(nodes.EVALUATOR)
    runs = {
        "lean": [run(stages={nodes.EVALUATOR: 1.0}), run(stages={nodes.EVALUATOR: 1.0})],
        "textbook": [run(stages={}), run(stages={nodes.EVALUATOR: 4.0})],
    }
    assert Ratio("", "lean", "textbook", evaluator).of(runs) == [0.25]


def test_the_tables_have_medians_and_ratios_with_their_spread():
    document = measured(
        textbook=[run(10.0, 30.0, stages={"Resolver": 1.0, nodes.TRAINER: 4.0})] * 3,
        ours=[run(wall, wall, stages=STAGES, accuracy=0.9) for wall in (8.0, 6.0, 7.0)],
        keras=[run(epochs_s=[4.0])],
        training=[run(epochs_s=[1.0])],
    )
    found = rows(document)
    assert found["OURS"] == ["3", "7.0", "7.0", "1.50", "–", "0.9000 ± 0.0000", "–"]
    assert found["KERAS"] == ["1", "10.0", "20.0", "1.50", "4.00", "–", "–"]
    assert found[nodes.TRANSFORM] == ["–", "2.0"]
    assert found["Resolver"] == ["1.0", "–"]
    assert found["start and end"] == ["5.0", "1.0"]
    assert found["whole run, with everything / textbook"] == ["0.70", "0.60 to 0.80", "0.23"]
    # Computing is known of whole commands alone.
    assert found["an epoch, ours / Keras loop's"] == ["0.25", "0.25 to 0.25", "–"]


def test_there_is_no_table_of_nothing():
    assert figures.tables(measured(keras=[run()])).count("|---") == 8


def test_what_was_measured_is_read_back_as_it_was(tmp_path):
    document = measured(ours=[run(stages=STAGES, epochs_s=[1.5])], keras=[run(loss=0.25)])
    document.write(tmp_path / "measured.json")
    assert Measured.read(tmp_path / "measured.json") == document


def test_another_file_is_not_taken_for_a_comparison(tmp_path):
    (tmp_path / "other.json").write_text('{"runs": []}')
    with pytest.raises(ValueError, match="machine"):
        Measured.read(tmp_path / "other.json")
