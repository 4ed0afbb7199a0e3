import pytest

from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from pipeline import config, nodes, workspace
from pipeline.runs import lookup
from pipeline.runs.run_result import NodeResult, RunResult
from tests import evaluations

FIRST, SECOND, THIRD = (
    *("2026-11-24T13-20-16.112", "2026-11-24T14-00-00.000", "2026-11-25T09-00-00.000"),
)


@pytest.fixture
def places(tmp_path):
    """Those of Fashion-MNIST and the sample, in one root."""
    return lookup.find_places(config.load_config(None, (), {"paths.root": tmp_path}))


@pytest.fixture
def keep():
    """Leaves a result in the root of a pipeline."""

    def keep(place, run_id, **fields):
        directory = place.run_dir(run_id)
        directory.mkdir(parents=True)
        (directory / "result.json").write_text(RunResult(run_id=run_id, **fields).to_json())

    return keep


@pytest.fixture
def push(tmp_path):
    """Pushes a model as a run does; returns the version's directory."""

    def push(place, run_id):
        model = tmp_path / f"model of {run_id}"
        model.mkdir()
        (model / "saved_model.pb").write_text(run_id)
        return Store(place.serving_model_dir).push(model, ModelFacts(run=run_id)).path

    return push


def test_runs_of_both_datasets_are_found_unless_one_is_named(places, keep, tmp_path):
    real, sample = places
    keep(real, FIRST)
    keep(sample, SECOND)
    keep(real, THIRD)
    expected = [(real, THIRD), (sample, SECOND), (real, FIRST)]
    assert lookup.find_all(places) == [lookup.Found(*one) for one in expected]
    assert lookup.find(places, None) == lookup.Found(real, THIRD)
    settings = {"paths.root": tmp_path, "dataset.name": "sample"}
    [only] = lookup.find_places(config.load_config(None, (), settings))
    assert lookup.find([only], None) == lookup.Found(sample, SECOND)


def test_the_latest_run_is_one_that_has_ended_if_there_is_one(places, keep):
    place = places[0]
    place.run_dir(SECOND).mkdir(parents=True)
    (place.run_dir(SECOND) / "pipeline.log").touch()
    with workspace.lock(place.root):
        assert lookup.find(places, None).run_id == SECOND
        keep(place, FIRST)
        assert lookup.find(places, None).run_id == FIRST
        assert lookup.find(places, SECOND).run_id == SECOND
    assert lookup.find(places, None).run_id == SECOND


def test_the_beginning_of_an_id_is_enough_where_it_is_of_one_run(places, keep, refusal):
    for run_id in (FIRST, SECOND, THIRD):
        keep(places[0], run_id)
    assert lookup.find(places, "2026-11-24T13").run_id == FIRST
    assert lookup.find(places, SECOND).run_id == SECOND
    with refusal("2 runs begin with 2026-11-24, such as ", SECOND, FIRST, "name more of it"):
        lookup.find(places, "2026-11-24")


def test_an_id_that_begins_another_is_still_found(places, keep):
    keep(places[0], "r1")
    keep(places[0], "r10")
    assert lookup.find(places, "r1").run_id == "r1"


def test_a_run_that_is_not_there_is_refused(places, keep, refusal, tmp_path):
    keep(places[0], FIRST)
    with refusal("There is no run 2025 in ", tmp_path, "inspect runs` lists them"):
        lookup.find(places, "2025")


@pytest.mark.parametrize("name", [None, "2026", "serving"])
def test_a_root_without_runs_is_refused(places, refusal, tmp_path, name):
    with refusal(tmp_path, "has no runs: name the --root of one"):
        lookup.find(places, name)


def test_the_run_whose_model_is_live_is_known_from_the_manifest(places, keep, push):
    place = places[0]
    for run_id in (FIRST, SECOND, THIRD):
        keep(place, run_id)
    push(place, FIRST)
    push(place, SECOND)
    assert lookup.find(places, "serving").run_id == SECOND
    Store(place.serving_model_dir).rollback()
    assert lookup.find(places, "serving").run_id == FIRST


def test_where_nothing_was_pushed_no_run_is_live(places, keep, refusal):
    keep(places[0], FIRST)
    with refusal(places[0].serving_model_dir, "has no version to serve"):
        lookup.find(places, "serving")


def test_a_live_model_whose_run_is_gone_is_refused(places, keep, push, refusal):
    push(places[0], FIRST)
    keep(places[0], SECOND)
    with refusal("Version 1 in ", f"is of the run {FIRST}, which ", "does not have"):
        lookup.find(places, "serving")


def test_a_live_model_that_no_run_pushed_is_refused(places, keep, refusal):
    version = places[0].serving_model_dir / "5"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_text("a model")
    keep(places[0], FIRST)
    with refusal("Version 5 in ", "was not pushed by a run"):
        lookup.find(places, "serving")


def test_figures_come_from_the_result_where_it_has_them(places, keep, capsys):
    evaluation = evaluations.evaluation(slices={"ink": {"none": evaluations.slice_metrics()}})
    keep(places[0], FIRST, evaluation=evaluation)
    assert lookup.read(lookup.find(places, None)).evaluation == evaluation
    assert capsys.readouterr().err == ""


def test_a_run_that_was_cut_off_before_its_evaluation_has_none(places, keep, capsys):
    components = {nodes.EVALUATOR: NodeResult(state="failed")}
    keep(places[0], FIRST, components=components)
    assert lookup.read(lookup.find(places, None)).evaluation is None
    assert capsys.readouterr().err == ""


@pytest.fixture
def killed(places, record_run):
    """A run that was killed after its Evaluator, whose results are in a directory."""

    def killed(evaluation):
        place = places[0]
        place.run_dir(FIRST).mkdir(parents=True)
        (place.run_dir(FIRST) / "pipeline.log").touch()
        states = {nodes.EVALUATOR: "COMPLETE", nodes.PUSHER: "RUNNING"}
        record_run(place.metadata, FIRST, states, evaluation=str(evaluation))
        return lookup.find(places, FIRST)

    return killed


def test_without_a_result_the_figures_come_from_tfma_and_that_is_announced(
    killed, monkeypatch, capsys
):
    from components.evaluation import reader

    evaluation = evaluations.evaluation()
    monkeypatch.setattr(reader, "read_evaluation", {"/evaluation/8": evaluation}.get)
    result = lookup.read(killed("/evaluation/8"))
    assert result.evaluation == evaluation
    assert result.failure.node == nodes.PUSHER
    assert f"Run {FIRST} left no whole result.json: loading TensorFlow" in capsys.readouterr().err


def test_results_of_tfma_that_can_not_be_read_are_one_sentence(killed, tmp_path, refusal):
    found = killed(tmp_path / "empty")
    with refusal(tmp_path / "empty", "--no-cache"):
        lookup.read(found)


def test_an_evaluation_that_ml_metadata_no_longer_has_is_none(killed):
    assert lookup.read(killed("")).evaluation is None
