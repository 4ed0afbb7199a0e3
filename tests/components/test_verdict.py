import pytest

from components import verdict
from components.verdict import Failure, Standing, judge, judge_failure, read_refusals, read_standing
from tests.evaluations import LOW_RECALL, evaluation

BLESSED, REFUSED = evaluation(), evaluation(LOW_RECALL)


@pytest.mark.parametrize(
    ("given", "state", "label", "headline", "reasons"),
    [
        ((None,), "open", "not judged", "Ended before the Evaluator, as asked", []),
        (
            (REFUSED,),
            "refused",
            "not blessed",
            "Not blessed, and not pushed",
            [LOW_RECALL.sentence],
        ),
        # Nothing behind a refusal counts.
        (
            (REFUSED, ["not checked"], Standing(1)),
            *("refused", "not blessed", "Not blessed", [LOW_RECALL.sentence]),
        ),
        (
            (BLESSED, ["it is too large"]),
            *("refused", "not pushed", "Blessed, but not pushed", ["it is too large"]),
        ),
        ((BLESSED,), "open", "blessed", "Blessed; not pushed, since the run ended before", []),
        (
            (BLESSED, [], Standing(2, live=2)),
            *("good", "pushed", "Blessed and pushed as version 2", []),
        ),
        # Of an earlier version, which did not say what was live.
        ((BLESSED, [], Standing(2)), "good", "pushed", "Blessed and pushed as version 2", []),
        (
            (BLESSED, [], Standing(2, live=2, new=False)),
            *("good", "already live", "Blessed, and already live as version 2", []),
        ),
        (
            (BLESSED, [], Standing(1, live=2, new=False)),
            *("refused", "not live"),
            "Blessed, and there already as version 1, but version 2 is live",
            ["`python -m pipeline.serving rollback 1 --root /r` makes version 1 live"],
        ),
        (
            (BLESSED, [], Standing(3, live=1)),
            *("good", "waits for a pin"),
            *("Blessed and pushed as version 3", ["version 1 is pinned and stays live"]),
        ),
        (
            (BLESSED, [], Standing(3, live=1, new=False)),
            *("good", "waits for a pin"),
            *("Blessed and there already as version 3", ["version 1 is pinned and stays live"]),
        ),
    ],
)
def test_one_judgement_says_what_became_of_a_model(given, state, label, headline, reasons):
    judged = judge(*given, flags="--root /r")
    assert (judged.state, judged.label) == (state, label)
    assert judged.headline.startswith(headline)
    assert list(judged.reasons) == reasons


@pytest.mark.parametrize(
    ("standing", "headline"),
    [
        (Standing(2, live=2, new=False), "Nothing to do: already live as version 2"),
        (Standing(1, live=2, new=False), "Blessed, and there already as version 1, but version 2"),
        (Standing(3, live=1, new=False), "Blessed and there already as version 3"),
    ],
)
def test_run_in_which_nothing_had_to_be_done_says_so_only_if_its_model_is_live(standing, headline):
    assert judge(BLESSED, [], standing, idle=True).headline.startswith(headline)


@pytest.mark.parametrize(
    ("failure", "state", "headline", "reasons"),
    [
        (Failure("no luck", "Trainer"), "failed", "Trainer failed", ["no luck"]),
        (Failure("killed"), "failed", "The run failed", ["killed"]),
        (Failure("no data", unusable=True), "unusable", "The run was refused", ["no data"]),
        (Failure("interrupted", interrupted=True), "interrupted", "Interrupted: run it again", []),
    ],
)
def test_one_judgement_says_why_a_run_came_to_nothing(failure, state, headline, reasons):
    judged = judge_failure(failure)
    assert judged.state == state
    assert judged.headline.startswith(headline)
    assert list(judged.reasons) == reasons


def test_a_run_that_was_refused_is_not_listed_as_one_that_failed():
    assert judge_failure(Failure("no data", unusable=True)).label == "refused"
    assert judge_failure(Failure("no luck", "Trainer")).label == "failed"


def test_labels_fit_into_a_list():
    standings = (None, Standing(1), Standing(1, 2), Standing(2, 1), Standing(1, 1, new=False))
    labels = [judge(BLESSED, [], standing).label for standing in standings]
    assert max(map(len, [*labels, verdict.RUNNING.label])) <= 15


def test_push_of_tfxs_own_pusher_is_told_by_its_version_alone():
    pushed = {"pushed": 1, "pushed_version": "7", "pushed_destination": "/s/7"}
    assert read_standing(pushed, "r1") == Standing(7, live=None, new=True)
    assert read_standing({"pushed": 0}, "r1") is None


@pytest.mark.parametrize(("by", "new"), [("r1", True), ("r0", False), ("", False)])
def test_push_of_another_run_is_not_this_ones(by, new):
    pushed = {"pushed": 1, "pushed_version": "7", "live_version": "8", "pushed_by": by}
    assert read_standing(pushed, "r1") == Standing(7, live=8, new=new)


def test_reasons_of_the_check_count_for_more_than_what_the_pusher_says_of_them():
    skipped = {"pushed": 0, "skipped": "not sound to serve"}
    assert read_refusals(["it is too large"], skipped) == ["it is too large"]
    assert read_refusals([], skipped) == ["not sound to serve"]
    assert read_refusals([], {"pushed": 1}) == []
