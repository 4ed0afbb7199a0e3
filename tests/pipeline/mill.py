"""A small pipeline, with stand-ins for what trains, evaluates and checks."""

import json
from pathlib import Path

from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import RunOptions
from tfx.types import standard_artifacts

from components.atomic_pusher.executor import HELD_BACK
from components.serving_check.findings import REPORT_FILE
from pipeline import nodes
from pipeline.engine.dag_runner import ObservedDagRunner

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

    def hold_back(self) -> None:
        """Makes a push that pushed nothing one that was held back, as version 7."""
        with metadata.Metadata(self.connection) as handle:
            [pushed] = handle.store.get_artifacts_by_type("PushedModel")
            pushed.custom_properties[HELD_BACK].int_value = 7
            handle.store.put_artifacts([pushed])
