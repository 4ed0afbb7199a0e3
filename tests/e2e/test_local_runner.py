import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import PROJECT_DIRECTORY as CHECKOUT
from pipeline.nodes import BASELINE_RESOLVER, NODES, OF_SPANS
from trainer_module import features

pytestmark = pytest.mark.e2e


def served_versions(root: Path) -> list[Path]:
    return sorted((root / "serving" / "tinyvgg").glob("[0-9]*"))


class TestFullRunThenUnchangedThenEditedSource:
    """Three runs in one root, in this order, looked at by the tests below."""

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("e2e") / "root"

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, root, run, source_copy):
        full = run(root, checkout=source_copy), served_versions(root)
        (root / "serving" / "tinyvgg" / ".incoming" / "killed" / "model").mkdir(parents=True)
        unchanged = run(root, checkout=source_copy), served_versions(root)
        # The same model again would be no new version: the edit has to change what is learned.
        model = source_copy / "trainer_module" / "model.py"
        edited_text = model.read_text().replace("_MOMENTUM = 0.9\n", "_MOMENTUM = 0.8\n")
        assert edited_text != model.read_text()
        model.write_text(edited_text)
        edited = run(root, checkout=source_copy), served_versions(root)
        return {"full": full, "unchanged": unchanged, "edited": edited}

    def test_full_run_pushes_one_blessed_version(self, runs):
        run, versions = runs["full"]
        assert run.code == 0, run.screen
        assert run.result["blessed"]
        assert all(run.states[node] == "done" for node in set(NODES) - OF_SPANS)
        assert [str(version) for version in versions] == [run.result["pushed"]["path"]]

    def test_result_has_every_class_by_name(self, runs):
        run, _ = runs["full"]
        assert list(run.result["evaluation"]["classes"]) == list(features.CLASS_NAMES)

    def test_pushed_model_classifies_as_the_summary_says_with_plain_tensorflow(self, runs, root):
        run, [version] = runs["full"]
        [records] = root.glob("records/*/span-1/version-1/test-*")
        measured = subprocess.run(
            [sys.executable, "-c", MEASURE_ACCURACY, str(version), str(records)],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        accuracy = float(measured.stdout.splitlines()[-1])
        assert accuracy == pytest.approx(run.result["evaluation"]["overall"]["accuracy"], abs=1e-6)

    def test_push_is_listed_with_its_run_and_its_accuracy(self, runs, root):
        run, _ = runs["full"]
        listed = subprocess.run(
            [sys.executable, "-m", "pipeline.serving", "list", "--root", root],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        [row] = [line.split() for line in listed.splitlines() if line.split()[:1] == ["1"]]
        assert f"{run.result['evaluation']['overall']['accuracy']:.4f}" in row
        assert run.result["run_id"] in row

    def test_pushed_model_was_checked_and_brings_its_warm_up(self, runs):
        run, [version] = runs["full"]
        assert run.result["serving"]["reasons"] == []
        assert run.result["serving"]["measures"]["difference"] <= 1e-5
        assert (version / "assets.extra" / "tf_serving_warmup_requests").exists()

    def test_libraries_do_not_reach_the_screen_but_the_log(self, runs):
        run, _ = runs["full"]
        assert "Traceback" not in run.screen
        assert "tensorflow" not in run.screen.lower()
        assert "Going to run a new execution" in Path(run.result["log"]).read_text()

    def test_result_is_kept_in_the_runs_directory(self, runs):
        run, _ = runs["full"]
        kept = Path(run.result["log"]).with_name("result.json")
        assert json.loads(kept.read_text()) == run.result

    def test_runs_can_be_inspected_afterwards(self, runs, root):
        run, _ = runs["edited"]
        shown = subprocess.run(
            [
                *(sys.executable, "-m", "pipeline.inspect", run.result["run_id"]),
                *("--compare", runs["full"][0].result["run_id"]),
                *("--root", root, "--format", "json"),
            ],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        document = json.loads(shown)
        assert [row["slice"] for row in document["rows"]] == list(features.CLASS_NAMES)
        overall = run.result["evaluation"]["overall"]
        assert document["overall"]["accuracy"] == overall["accuracy"]
        assert document["version"] == int(run.result["pushed"]["version"])

    def test_report_tells_of_the_run_and_is_listed(self, runs, root):
        run, _ = runs["full"]
        page = Path(run.result["report"])
        html = page.read_text(encoding="utf-8")
        assert "Blessed and pushed as version 1" in html
        assert f"{run.result['evaluation']['overall']['accuracy']:.4f}" in html
        assert html.count("taken for") >= 24
        assert len(html.encode()) < 3_000_000
        assert str(page.relative_to(root)) in (root / "index.html").read_text(encoding="utf-8")

    def test_unchanged_run_does_no_work(self, runs):
        run, versions = runs["unchanged"]
        assert run.code == 0
        others = set(NODES) - OF_SPANS - {BASELINE_RESOLVER}
        assert {node: run.states[node] for node in others} == dict.fromkeys(others, "cached")
        assert versions == runs["full"][1]
        assert "Nothing to do" in run.screen

    def test_what_a_killed_push_left_is_cleaned_up_by_the_next_run(self, runs, root):
        assert not list((root / "serving" / "tinyvgg" / ".incoming").iterdir())

    def test_edited_network_is_trained_anew_on_what_is_there(self, runs):
        run, versions = runs["edited"]
        assert run.code == 0
        assert run.states["ImportExampleGen"] == "cached"
        assert run.states["Transform"] == "cached"
        assert run.states["Trainer"] == "done"
        assert len(versions) == 2


MEASURE_ACCURACY = """
import sys
import tensorflow as tf

model, records = sys.argv[1:]
spec = {"label": tf.io.FixedLenFeature([], tf.int64)}
examples = list(tf.data.TFRecordDataset(records, "GZIP").as_numpy_iterator())
labels = tf.io.parse_example(examples, spec)["label"]
served = tf.saved_model.load(model).signatures["serving_default"]
guesses = served(examples=tf.constant(examples))["label"]
ours = ("pipeline", "components", "trainer_module", "tfx", "tensorflow_transform")
assert not any(name in sys.modules for name in ours)
print(float(tf.reduce_mean(tf.cast(guesses == labels, tf.float64))))
"""


class TestRefusedModelIsJudgedAgainWithOtherLimits:
    """Runs in one root, in this order, that change what a model must reach, and not the model."""

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("limits")

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, root, run):
        return {
            name: (run(root, *flags), served_versions(root))
            for name, flags in {
                "inaccurate": ("--set", "evaluation.min_accuracy=0.999"),
                "too large": ("--set", "serving.max_size_mb=0.001"),
                "good": (),
            }.items()
        }

    def test_model_below_a_threshold_is_refused_with_the_reason(self, runs):
        run, versions = runs["inaccurate"]
        assert run.code == 3
        assert run.states["Trainer"] == "done"
        assert run.result["blessed"] is False
        [reason] = run.result["reasons"]
        assert reason.startswith("accuracy overall is 0.")
        assert " and should be at least 0.9990: 0." in reason
        assert run.result["pushed"] is None
        assert reason in run.screen
        assert reason in Path(run.result["report"]).read_text(encoding="utf-8")
        assert not versions

    def test_unsound_model_is_refused_with_the_reason(self, runs):
        run, versions = runs["too large"]
        assert run.code == 3
        assert run.result["blessed"] is True
        [reason] = run.result["serving"]["reasons"]
        assert reason.startswith("the size is 0.")
        assert reason in run.screen
        assert not versions

    def test_same_model_is_pushed_where_the_limits_allow_it(self, runs):
        run, versions = runs["good"]
        assert run.code == 0, run.screen
        assert run.states["Trainer"] == "cached"
        assert len(versions) == 1


def test_loss_that_is_not_a_number_fails_the_trainer_and_blesses_nothing(
    run, tmp_path, source_copy
):
    model = source_copy / "trainer_module" / "model.py"
    source = model.read_text().replace(
        "keras.layers.Flatten(",
        'keras.layers.Rescaling(float("nan")))\n    model.add(keras.layers.Flatten(',
    )
    assert 'float("nan")' in source
    model.write_text(source)
    ended = run(tmp_path / "root", checkout=source_copy)
    assert ended.code == 1
    assert ended.result["failure"]["node"] == "Trainer"
    cause = ended.result["failure"]["cause"]
    assert cause.startswith("DivergedError: the loss became nan in epoch 1, by its step ")
    assert "a lower learning_rate.peak" in cause
    assert ended.states["LearningRateFinder"] == "done"
    assert ended.states["Trainer"] == "failed"
    assert ended.states["Evaluator"] == "waiting"
    assert f"Trainer failed: {cause}" in ended.screen
    assert "Traceback" not in ended.screen
    assert "Traceback" in Path(ended.result["log"]).read_text()
    page = Path(ended.result["report"]).read_text(encoding="utf-8")
    assert "Trainer failed" in page
    assert "DivergedError: the loss became nan" in page
    assert "The curve tells no rate: the loss is not finite from the start" in page
    assert not served_versions(tmp_path / "root")


class TestBrokenOffRunsGoOn:
    """Runs in one root, in this order: interrupted, killed, and left alone."""

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("broken")

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, root, run, run_and_break):
        interrupted = run_and_break(root, "epoch 1/", "--epochs", "500"), served_versions(root)
        # Epochs enough that the kill comes before the last one on a machine that is busy.
        killed = run_and_break(root, "epoch 2/6", "--epochs", "6", kill=True), served_versions(root)
        resumed = run(root, "--epochs", "6"), served_versions(root)
        return {"interrupted": interrupted, "killed": killed, "resumed": resumed}

    def test_interrupted_run_says_so_and_pushes_nothing(self, runs):
        run, versions = runs["interrupted"]
        assert run.code == 130
        assert run.states["Transform"] == "done"
        assert run.states["Trainer"] == "interrupted"
        assert "Interrupted" in Path(run.result["report"]).read_text(encoding="utf-8")
        assert not versions

    def test_run_after_an_interruption_takes_over_what_was_finished(self, runs):
        run, _ = runs["killed"]
        assert run.states["Transform"] == "cached"

    def test_killed_run_says_so_and_pushes_nothing(self, runs):
        run, versions = runs["killed"]
        assert run.code == 1
        assert run.states["Trainer"] == "failed"
        assert "SIGKILL" in run.result["failure"]["cause"]
        assert "SIGKILL" in Path(run.result["report"]).read_text(encoding="utf-8")
        assert not versions

    def test_killed_training_goes_on_from_its_last_epoch_to_the_end(self, runs):
        run, versions = runs["resumed"]
        assert run.code == 0, run.screen
        assert run.states["LearningRateFinder"] == "cached"
        assert run.states["Trainer"] == "done"
        assert "epoch 6/6" in run.screen
        assert "epoch 1/6" not in run.screen
        assert run.result["training"]["epochs"] == 6
        assert len(versions) == 1
