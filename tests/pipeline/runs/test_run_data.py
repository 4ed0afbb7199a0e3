import shutil

import pytest

from components.data_gate.findings import Finding, Picture
from pipeline import config, nodes, workspace
from pipeline.runs import lookup, run_data
from pipeline.runs.lookup import Found
from pipeline.runs.run_result import Failure, RunResult
from tests.pipeline.describing import tally

OLDER, NEWER = "2026-11-24T13-00-00.000", "2026-11-24T14-00-00.000"

SPLITS = {
    "test": tally({"Bag": 1, "Coat": 1}, [0.1, 0.9]),
    "train": tally({"Bag": 3, "Coat": 1}, [0.1, 0.1, 0.1, 0.9]),
}
FINDING = Finding("skew", "stop", "ink", "test", "it differs", [Picture("", "a Bag")])


@pytest.fixture
def place(tmp_path):
    return lookup.find_places(config.Config(paths=config.Paths(root=tmp_path / "root")))[0]


def test_what_the_nodes_put_out_is_read(place, keep_described):
    keep_described(place, NEWER, SPLITS, span=3, findings=[FINDING], drift=0.01)
    found = run_data.read(Found(place, NEWER))
    assert (found.span, found.version, [*found.splits]) == (3, 2, ["train", "test"])
    assert found.splits["train"].shares["Bag"] == 0.75
    assert [(one.split, one.baseline, one.too_far) for one in found.skew] == [
        ("test", "train", True)
    ]
    assert [(one.split, one.baseline, one.too_far) for one in found.drift] == [
        ("train", "train", False)
    ]
    assert [(one.kind, one.pictures) for one in found.findings] == [("skew", ())]


def test_what_stopped_a_run_is_read_from_its_result(place, keep_described):
    keep_described(place, NEWER, SPLITS, findings=None)
    result = RunResult(
        run_id=NEWER, failure=Failure(cause="x", node=nodes.DATA_GATE), data_findings=[FINDING]
    )
    (place.run_dir(NEWER) / workspace.RESULT_FILE).write_text(result.to_json())
    found = run_data.read(Found(place, NEWER))
    assert [one.found for one in found.findings] == ["it differs"]
    assert found.result.verdict.state == "stopped"


@pytest.mark.parametrize("kept", [True, False], ids=["other_nodes", "no_books"])
def test_of_a_run_without_these_nodes_nothing_is_known(place, kept, record_run):
    place.run_dir(NEWER).mkdir(parents=True)
    (place.run_dir(NEWER) / workspace.LOG_FILE).touch()
    if kept:
        record_run(place.metadata, NEWER, {"StatisticsGen": "COMPLETE"})
    found = run_data.read(Found(place, NEWER))
    assert (found.span, found.splits, found.findings) == (None, {}, None)


def test_what_was_deleted_is_left_out_and_what_is_damaged_refused(place, keep_described, refusal):
    outputs = keep_described(place, NEWER, SPLITS)
    statistics = outputs[nodes.IMAGE_STATISTICS, "statistics"]
    (statistics / "Split-test" / "FeatureStats.pb").write_bytes(b"\xff\xff")
    with refusal("What run", NEWER, "can't be read", "--no-cache"):
        run_data.read(Found(place, NEWER))
    shutil.rmtree(statistics)
    assert run_data.read(Found(place, NEWER)).splits == {}


def test_the_newest_run_of_a_span_is_found(place, keep_described, refusal):
    keep_described(place, OLDER, SPLITS, span=3)
    keep_described(place, NEWER, SPLITS, span=4)
    assert run_data.find_span([place], 3).run_id == OLDER
    keep_described(place, f"{NEWER[:-1]}1", SPLITS, span=3)
    assert run_data.find_span([place], 3).run_id == f"{NEWER[:-1]}1"
    with refusal("no run on span 5", "there are runs on span 3, 4"):
        run_data.find_span([place], 5)
