import json

import pytest

from components.evaluation.mistakes import Mistake
from components.report import reading
from components.report.contents import Artifact, RunFacts
from components.verdict import Failure, Verdict
from tests.evaluations import LOW_RECALL, evaluation
from trainer_module import provenance
from trainer_module.provenance import Provenance

MISTAKE = Mistake(b"png", "Shirt", "Coat", 0.9, 0.05)
SOUND = {"reasons": [], "measures": {"load_s": 0.3}}
PUSHED = {"pushed": 1, "pushed_version": "4", "pushed_destination": "/s/tinyvgg/4"}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a page of such an evaluation, serving check and push, as far as they are given."""

    def read(judged=None, check=None, pushed=None, failure=None):
        artifacts = {}
        if judged:
            monkeypatch.setattr(reading, "read_evaluation", lambda directory: judged)
            monkeypatch.setattr(reading, "read_mistakes", lambda directory: [MISTAKE])
            artifacts["evaluation"] = Artifact(3, "ModelEvaluation", str(tmp_path), {})
        if check is not None:
            artifacts["infra_blessing"] = Artifact(
                2, "InfraBlessing", str(tmp_path), {"blessed": int(not check["reasons"])}
            )
            (tmp_path / "report.json").write_text(json.dumps(check))
        if pushed is not None:
            artifacts["pushed_model"] = Artifact(4, "PushedModel", str(tmp_path), pushed)
        return reading.read_page(artifacts, RunFacts(run="r1"), failure)

    return read


@pytest.mark.parametrize(
    ("given", "state", "headline", "reasons"),
    [
        ((evaluation(), SOUND, PUSHED), "good", "pushed as version 4", []),
        ((evaluation(), SOUND), "open", "ended before the Pusher", []),
        ((evaluation(),), "open", "ended before the Pusher", []),
        (
            (evaluation(LOW_RECALL), {"reasons": ["not checked"]}, {"pushed": 0}),
            *("refused", "Not blessed", [LOW_RECALL.sentence]),
        ),
        (
            (evaluation(), {"reasons": ["it is too large"]}, {"pushed": 0}),
            *("refused", "Blessed, but not pushed", ["it is too large"]),
        ),
        (
            (evaluation(), SOUND, {"pushed": 0, "held_back": 2}),
            *("refused", "Blessed, but not pushed"),
            [
                "it was rolled back, as version 2: `python -m pipeline.serving rollback 2` serves "
                "it again"
            ],
        ),
        ((), "open", "Ended before the Evaluator", []),
        (
            (None, None, None, Failure("no luck", "Trainer")),
            *("failed", "Trainer failed", ["no luck"]),
        ),
        (
            (evaluation(), SOUND, None, Failure("disk full", "Pusher")),
            *("failed", "Pusher failed", ["disk full"]),
        ),
    ],
)
def test_verdict_says_what_became_of_the_model_and_why(read, given, state, headline, reasons):
    verdict = read(*given).verdict
    assert verdict.state == state
    assert headline in verdict.headline
    assert list(verdict.reasons) == reasons


def test_page_of_a_failed_run_keeps_what_there_is(read):
    page = read(evaluation(), SOUND, None, Failure("disk full", "Pusher"))
    assert page.evaluation == evaluation()
    assert page.mistakes == [MISTAKE]
    assert page.measures == {"load_s": 0.3}
    assert page.version is None


def test_evaluation_that_was_cut_off_is_a_sentence_and_the_rest_is_told(tmp_path):
    artifacts = {
        "evaluation": Artifact(3, "ModelEvaluation", str(tmp_path), {}),
        "infra_blessing": Artifact(4, "InfraBlessing", str(tmp_path), {"blessed": 1}),
    }
    page = reading.read_page(artifacts, RunFacts(run="r1"))
    assert page.evaluation is None
    assert str(tmp_path) in page.problem
    assert page.verdict == Verdict("failed", "not judged", "Not judged", [page.problem])
    assert len(page.artifacts) == 2


def test_infra_validator_gives_no_measures(tmp_path):
    blessing = Artifact(2, "InfraBlessing", str(tmp_path), {"blessed": 0})
    page = reading.read_page({"infra_blessing": blessing}, RunFacts(run="r1"))
    assert page.measures == {}


def test_artifacts_are_listed_in_the_order_in_which_they_were_made(read):
    page = read(evaluation(), SOUND, PUSHED)
    assert [one.id for one in page.artifacts.values()] == [2, 3, 4]


def test_what_made_the_model_is_read_from_the_model(tmp_path):
    made_by = Provenance({"training": {"seed": 3}}, "drawn-1", "0123", "4567", {"keras": "3.0"})
    (tmp_path / "Format-Serving").mkdir()
    model = {"model": Artifact(1, "Model", str(tmp_path), {})}
    facts = RunFacts(run="r1", dataset="at hand", configuration={"training": {"seed": 9}})
    unknown = reading.read_page(model, facts)
    assert (unknown.provenance, unknown.dataset, unknown.configuration) == (None, "", {})
    provenance.write(made_by, tmp_path / "Format-Serving")
    page = reading.read_page(model, facts)
    assert (page.provenance, page.dataset) == (made_by, "drawn-1")


def test_versions_of_the_libraries_are_told(read):
    assert {"python", "tfx", "tensorflow", "vl-convert-python"} <= read().libraries.keys()
