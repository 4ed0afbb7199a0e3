import json
import shutil
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import RunOptions
from tfx.types import standard_artifacts

from components.atomic_pusher import files, manifest
from components.atomic_pusher.executor import HELD_BACK
from components.atomic_pusher.manifest import Facts, Record
from components.serving_check.report import REPORT_FILE
from pipeline import nodes, outcome
from pipeline.dag_runner import NodeFailedError, ObservedDagRunner
from pipeline.results import Training

Artifact = metadata_store_pb2.Artifact
Input = tfx.dsl.components.InputArtifact
Output = tfx.dsl.components.OutputArtifact
Parameter = tfx.dsl.components.Parameter

TRAINED = {
    "parameters": 12_794,
    "epochs": 25,
    "best_epoch": 24,
    "exported_epoch": 24,
    "eval_accuracy": 0.92,
    "eval_loss": 0.22,
    "learning_rate": 0.004,
}


@tfx.dsl.components.component
def FindRate(  # noqa: N802
    best_hyperparameters: Output[standard_artifacts.HyperParameters],
    tuner_results: Output[standard_artifacts.TunerResults],
):
    Path(best_hyperparameters.uri, "best_hyperparameters.txt").write_text("{}")
    Path(tuner_results.uri, "curve.json").write_text('{"warning": "the loss is flat"}')
    Path(tuner_results.uri, "learning_rate_finder.png").write_text("a picture")


@tfx.dsl.components.component
def Train(  # noqa: N802
    model: Output[standard_artifacts.Model], model_run: Output[standard_artifacts.ModelRun]
):
    Path(model_run.uri, "training.json").write_text(json.dumps(TRAINED))
    Path(model_run.uri, "learning_curves.png").write_text("a picture")
    serving = Path(model.uri) / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "saved_model.pb").write_text("a model")


@tfx.dsl.components.component
def Evaluate(  # noqa: N802
    blessed: Parameter[int],
    model: Input[standard_artifacts.Model],
    evaluation: Output[standard_artifacts.ModelEvaluation],
    blessing: Output[standard_artifacts.ModelBlessing],
):
    if blessed < 0:
        raise RuntimeError("there is nothing to look at")
    (Path(evaluation.uri) / "of").write_text(model.uri)
    blessing.set_int_custom_property("blessed", blessed)


@tfx.dsl.components.component
def Check(  # noqa: N802
    sound: Parameter[int],
    model: Input[standard_artifacts.Model],
    blessing: Output[standard_artifacts.InfraBlessing],
):
    report = {"reasons": [] if sound else ["it is too large"], "measures": {"size_mb": 7.0}}
    if sound >= 0:
        (Path(blessing.uri) / REPORT_FILE).write_text(json.dumps(report))
    blessing.set_int_custom_property("blessed", int(sound > 0))


class Mill:
    """A root directory in which small pipelines run, with TFX's own Pusher at their end.

    `sound` adds a serving check: 1 or 0 is its verdict, -1 that of TFX's InfraValidator, which
    refuses and does not say why.
    """

    def __init__(self, root: Path):
        self.root = root
        self.metadata = root / "metadata.db"
        self.connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(self.metadata)
        )

    def run(
        self, run_id, *, blessed=1, sound=None, serving="serving", finder=False, **part
    ) -> dict[str, str]:
        """Runs the pipeline; returns how the nodes ended."""
        find = [FindRate().with_id(nodes.LEARNING_RATE_FINDER)] if finder else []
        train = Train().with_id(nodes.TRAINER)
        evaluate = Evaluate(blessed=blessed, model=train.outputs["model"]).with_id(nodes.EVALUATOR)
        checks = []
        if sound is not None:
            check = Check(sound=sound, model=train.outputs["model"]).with_id(nodes.SERVING_CHECK)
            checks.append(check)
        push = tfx.components.Pusher(
            model=train.outputs["model"],
            infra_blessing=checks[0].outputs["blessing"] if checks else None,
            model_blessing=evaluate.outputs["blessing"],
            push_destination=tfx.proto.PushDestination(
                filesystem=tfx.proto.PushDestination.Filesystem(
                    base_directory=str(self.root / serving)
                )
            ),
        ).with_id(nodes.PUSHER)
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="mill",
            pipeline_root=str(self.root / "artifacts"),
            components=[*find, train, evaluate, *checks, push],
            enable_cache=True,
            metadata_connection_config=self.connection,
        )
        ended = {}
        runner = ObservedDagRunner(run_id, lambda node, state, note: ended.update({node: state}))
        runner.run(pipeline, run_options=RunOptions(**part) if part else None)
        return ended

    def versions(self, serving="serving") -> list[Path]:
        """The directories that a model server would find."""
        return list((self.root / serving).glob("*"))

    def pushed_models(self) -> dict[str, int]:
        """The state of each PushedModel by the directory it was pushed to, if it was."""
        with metadata.Metadata(self.connection) as handle:
            return {
                artifact.custom_properties["pushed_destination"].string_value: artifact.state
                for artifact in handle.store.get_artifacts_by_type("PushedModel")
            }


@pytest.fixture
def mill(tmp_path):
    return Mill(tmp_path)


@pytest.fixture(autouse=True)
def _evaluation(monkeypatch):
    """Of an evaluation, only where it lies is read."""
    monkeypatch.setattr(outcome, "read_evaluation", Path)


@pytest.fixture
def read(mill):
    """Reads a run's evaluation and the model it pushed."""

    def read(run_id):
        found = outcome.read_outcome(mill.metadata, run_id)
        return found.evaluation, found.pushed

    return read


def test_training_is_known_once_the_trainer_is_done(mill):
    mill.run("first", to_nodes=[nodes.TRAINER])
    found = outcome.read_outcome(mill.metadata, "first")
    assert found.training == Training(**TRAINED, learning_rate_warning=None)
    assert [picture.name for picture in found.pictures] == ["learning_curves.png"]


def test_what_the_finder_warned_of_and_drew_is_part_of_the_outcome(mill):
    mill.run("first", finder=True)
    found = outcome.read_outcome(mill.metadata, "first")
    assert found.training.learning_rate_warning == "the loss is flat"
    names = [picture.name for picture in found.pictures if picture.exists()]
    assert names == ["learning_rate_finder.png", "learning_curves.png"]


def test_training_that_came_from_the_cache_is_known_too(mill):
    mill.run("first", finder=True)
    assert mill.run("second", finder=True)[nodes.TRAINER] == "cached"
    first, second = (outcome.read_outcome(mill.metadata, run) for run in ("first", "second"))
    assert (first.training, first.pictures) == (second.training, second.pictures)
    assert second.training


def test_nothing_is_known_of_the_training_of_a_run_that_is_not_recorded(mill):
    found = outcome.read_outcome(mill.metadata, "first")
    assert (found.training, found.pictures) == (None, [])


def test_nothing_is_known_of_a_run_where_there_was_none(read):
    assert read("first") == (None, None)


def test_nothing_is_known_of_a_run_that_is_not_recorded(mill, read):
    mill.run("first")
    assert read("second") == (None, None)


def test_nothing_came_of_a_run_that_ended_before_the_evaluator(mill, read):
    mill.run("first", to_nodes=[nodes.TRAINER])
    assert read("first") == (None, None)


def test_nothing_came_of_a_run_whose_evaluator_failed(mill, read):
    with pytest.raises(NodeFailedError):
        mill.run("first", blessed=-1)
    assert read("first") == (None, None)


def test_run_that_ended_before_the_pusher_has_an_evaluation(mill, read):
    mill.run("first", to_nodes=[nodes.EVALUATOR])
    evaluation, pushed = read("first")
    assert (evaluation / "of").exists()
    assert pushed is None


def test_model_that_was_not_blessed_was_not_pushed(mill, read):
    assert mill.run("first", blessed=0)[nodes.PUSHER] == "done"
    evaluation, pushed = read("first")
    assert (evaluation / "of").exists()
    assert pushed is None


def test_pushed_model_is_told_by_its_directory_and_version(mill, read):
    mill.run("first")
    _, pushed = read("first")
    [version] = mill.versions()
    assert Path(pushed.path) == version
    assert pushed.version == version.name
    assert (version / "saved_model.pb").exists()


def test_run_from_the_cache_came_to_the_same(mill, read):
    mill.run("first")
    assert mill.run("second")[nodes.PUSHER] == "cached"
    assert read("second") == read("first")
    assert read("second")[1]


def test_part_came_to_what_it_took_over_and_what_it_made(mill, read):
    mill.run("first", to_nodes=[nodes.EVALUATOR])
    mill.run("second", from_nodes=[nodes.PUSHER])
    evaluation, pushed = read("second")
    assert evaluation == read("first")[0]
    assert Path(pushed.path) in mill.versions()


def test_runs_are_told_apart(mill, read):
    mill.run("first")
    mill.run("second", blessed=0)
    (first, first_pushed), (second, second_pushed) = read("first"), read("second")
    assert first != second
    assert first_pushed
    assert not second_pushed


def forget(mill, runs=nodes.NODES):
    outcome.forget_outdated(mill.metadata, runs, mill.root / "serving")


def test_forgetting_needs_no_push_and_no_run_before(mill):
    forget(mill)
    mill.run("first", to_nodes=[nodes.TRAINER])
    forget(mill)
    assert mill.run("second")[nodes.PUSHER] == "done"


def test_only_pushes_whose_directory_is_gone_are_forgotten(mill):
    for number, serving in enumerate(("kept", "lost")):
        mill.run(f"run {number}", serving=serving)
    [kept], [lost] = mill.versions("kept"), mill.versions("lost")
    shutil.rmtree(lost)
    forget(mill)
    assert mill.pushed_models() == {str(kept): Artifact.LIVE, str(lost): Artifact.DELETED}


def test_push_that_is_there_is_taken_from_the_cache(mill):
    mill.run("first")
    forget(mill)
    assert mill.run("second")[nodes.PUSHER] == "cached"


def test_model_is_pushed_again_once_its_push_is_forgotten(mill, read):
    mill.run("first")
    shutil.rmtree(mill.root / "serving")
    # Without it, TFX takes the lost push from the cache.
    assert mill.run("second")[nodes.PUSHER] == "cached"
    assert not mill.versions()
    forget(mill)
    assert read("first")[1] is None
    assert mill.run("third") == {
        nodes.TRAINER: "cached",
        nodes.EVALUATOR: "cached",
        nodes.PUSHER: "done",
    }
    [version] = mill.versions()
    assert Path(read("third")[1].path) == version


def test_pusher_that_pushed_nothing_has_nothing_to_forget(mill):
    mill.run("first", blessed=0)
    forget(mill)
    assert mill.pushed_models() == {"": Artifact.LIVE}
    assert mill.run("second", blessed=0)[nodes.PUSHER] == "cached"


def test_push_that_was_tampered_with_is_forgotten(mill):
    mill.run("first")
    [version] = mill.versions()
    record = Record(pushed="", facts=Facts(), files=files.checksums(version))
    manifest.write(version.parent, manifest.Manifest().with_record(int(version.name), record))
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.LIVE}
    (version / "saved_model.pb").write_text("tampered")
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.DELETED}


def test_push_in_whose_place_is_no_model_is_forgotten(mill):
    mill.run("first")
    [version] = mill.versions()
    (version / "saved_model.pb").unlink()
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.DELETED}


def test_push_that_is_aside_is_forgotten_whatever_has_its_name_now(mill):
    mill.run("first")
    [version] = mill.versions()
    aside = version.parent / ".withdrawn"
    aside.mkdir()
    version.rename(aside / version.name)
    version.mkdir()
    forget(mill)
    assert mill.pushed_models() == {str(version): Artifact.DELETED}


def hold_back(mill):
    """Makes a push that pushed nothing one that was held back, as version 7."""
    with metadata.Metadata(mill.connection) as handle:
        [pushed] = handle.store.get_artifacts_by_type("PushedModel")
        pushed.custom_properties[HELD_BACK].int_value = 7
        handle.store.put_artifacts([pushed])


def test_push_that_was_held_back_is_tried_again(mill):
    mill.run("first", blessed=0)
    hold_back(mill)
    forget(mill)
    assert mill.run("second", blessed=0)[nodes.PUSHER] == "done"


@pytest.mark.parametrize("damage", [False, True])
def test_push_that_was_held_back_is_tried_again_if_what_is_aside_is_damaged(mill, damage):
    mill.run("first", blessed=0)
    hold_back(mill)
    aside = mill.root / "serving" / ".withdrawn" / "7"
    aside.mkdir(parents=True)
    (aside / "saved_model.pb").write_text("a model")
    record = Record("now", Facts(), files.checksums(aside), withdrawn="rolled back")
    manifest.write(mill.root / "serving", manifest.Manifest().with_record(7, record))
    if damage:
        (aside / "saved_model.pb").write_text("tampered")
    forget(mill)
    again = mill.run("second", blessed=0)[nodes.PUSHER]
    assert again == ("done" if damage else "cached")


def test_nothing_is_known_of_a_serving_check_that_did_not_run(mill):
    assert outcome.read_outcome(mill.metadata, "first").serving is None
    mill.run("first", sound=1, to_nodes=[nodes.EVALUATOR])
    assert outcome.read_outcome(mill.metadata, "first").serving is None


def test_sound_model_has_measures_and_no_reasons(mill):
    mill.run("first", sound=1)
    serving = outcome.read_outcome(mill.metadata, "first").serving
    assert (serving.reasons, serving.measures) == ([], {"size_mb": 7.0})


@pytest.mark.parametrize(
    ("sound", "reason"),
    [(0, "it is too large"), (-1, "TFX's InfraValidator refused it: see the log")],
)
def test_refused_model_has_reasons_and_is_not_pushed(mill, sound, reason):
    mill.run("first", sound=sound)
    assert outcome.read_outcome(mill.metadata, "first").serving.reasons == [reason]
    assert not mill.versions()


def test_model_that_was_rolled_back_has_that_for_a_reason(mill):
    mill.run("first", blessed=0, sound=1)
    hold_back(mill)
    [reason] = outcome.read_outcome(mill.metadata, "first").serving.reasons
    assert "rolled back, as version 7: `rollback 7`" in reason


def test_refusal_is_not_taken_from_the_cache_and_a_blessing_is(mill):
    mill.run("refused", sound=0)
    forget(mill)
    assert mill.run("again", sound=0)[nodes.SERVING_CHECK] == "done"
    mill.run("sound", sound=1)
    forget(mill)
    assert mill.run("sound again", sound=1)[nodes.SERVING_CHECK] == "cached"


@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        ([nodes.REPORT], {nodes.SERVING_CHECK: "cached", nodes.PUSHER: "cached"}),
        ([nodes.PUSHER, nodes.REPORT], {nodes.SERVING_CHECK: "cached"}),
    ],
)
def test_only_what_the_run_makes_anew_is_forgotten(mill, runs, kept):
    mill.run("pushed", sound=1)
    shutil.rmtree(mill.root / "serving")
    mill.run("refused", sound=0)
    forget(mill, runs)
    again = mill.run("again", sound=0)
    assert {node: again[node] for node in kept} == kept
    assert mill.run("sound", sound=1)[nodes.PUSHER] == kept.get(nodes.PUSHER, "done")
