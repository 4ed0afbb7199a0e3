import shutil
from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.orchestration import metadata
from tfx.types import artifact_utils, standard_artifacts

from components.baseline_resolver.strategy import CANDIDATE, BaselineModelStrategy
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store

Model, ModelBlessing = standard_artifacts.Model, standard_artifacts.ModelBlessing
PushedModel = standard_artifacts.PushedModel
Input = tfx.dsl.components.InputArtifact
Output = tfx.dsl.components.OutputArtifact
Parameter = tfx.dsl.components.Parameter

EMPTY = {"model": [], "model_blessing": []}


class Shelf:
    """An ML Metadata store of models and blessings, and what the strategy makes of it."""

    def __init__(self, directory):
        self.directory = directory
        self.models = directory.parent / "models"
        connection = metadata_store_pb2.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(connection)

    def train(self, name: str) -> int:
        model = Model()
        model.uri = str(self.models / name)
        Path(model.uri).mkdir(parents=True, exist_ok=True)
        return self._put(model)

    def evaluate(self, model: int, blessed: bool) -> int:
        """Blesses a model or not, as the Evaluator writes it down."""
        blessing = ModelBlessing()
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model)
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BLESSED_KEY,
            constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
        )
        return self._put(blessing)

    def push(self, model: int) -> Store:
        """Makes a model a version, as the Pusher writes it down; returns where it is."""
        served = Store(self.directory)
        copy = self.directory.parent / f"model-{model}"
        copy.mkdir(parents=True)
        (copy / "saved_model.pb").write_text(str(model))
        pushed = PushedModel()
        pushed.set_string_custom_property(
            "pushed_destination", str(served.push(copy, ModelFacts()).path)
        )
        artifact = self._put(pushed)
        kind = metadata_store_pb2.ExecutionType(name="Pusher")
        [execution] = self.store.put_executions(
            [metadata_store_pb2.Execution(type_id=self.store.put_execution_type(kind))]
        )
        Event = metadata_store_pb2.Event  # noqa: N806
        self.store.put_events(
            [
                Event(artifact_id=model, execution_id=execution, type=Event.INPUT),
                Event(artifact_id=artifact, execution_id=execution, type=Event.OUTPUT),
            ]
        )
        return served

    def _put(self, artifact) -> int:
        proto = artifact.mlmd_artifact
        proto.type_id = self.store.put_artifact_type(artifact.artifact_type, can_add_fields=True)
        [number] = self.store.put_artifacts([proto])
        return number

    def _get(self, type_name: str):
        if type_name not in {kind.name for kind in self.store.get_artifact_types()}:
            return []
        kind = self.store.get_artifact_type(type_name)
        return [
            artifact_utils.deserialize_artifact(kind, artifact)
            for artifact in self.store.get_artifacts_by_type(type_name)
        ]

    def resolve(self, candidate: int):
        """The ids of the baseline and of its blessing."""
        models = self._get("Model")
        resolved = BaselineModelStrategy(str(self.directory)).resolve_artifacts(
            self.store,
            {
                "model": models,
                "model_blessing": self._get("ModelBlessing"),
                CANDIDATE: [model for model in models if model.id == candidate],
            },
        )
        assert [model.id for model in resolved.pop(CANDIDATE)] == [candidate]
        return {key: [artifact.id for artifact in found] for key, found in resolved.items()}


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "serving" / "tinyvgg")


def test_first_model_has_no_baseline(shelf):
    assert shelf.resolve(shelf.train("first")) == EMPTY


def test_models_that_were_not_blessed_are_no_baseline(shelf):
    shelf.evaluate(shelf.train("refused"), blessed=False)
    shelf.train("never evaluated")
    assert shelf.resolve(shelf.train("candidate")) == EMPTY


def test_latest_blessed_model_is_the_baseline_and_comes_with_its_blessing(shelf):
    shelf.evaluate(shelf.train("older"), blessed=True)
    latest = shelf.train("latest")
    blessing = shelf.evaluate(latest, blessed=True)
    candidate = shelf.train("candidate")
    assert shelf.resolve(candidate) == {"model": [latest], "model_blessing": [blessing]}


def test_model_that_was_not_blessed_is_passed_over_for_an_older_one(shelf):
    older = shelf.train("older")
    blessing = shelf.evaluate(older, blessed=True)
    shelf.evaluate(shelf.train("refused"), blessed=False)
    candidate = shelf.train("candidate")
    assert shelf.resolve(candidate) == {"model": [older], "model_blessing": [blessing]}


def test_latest_is_the_one_that_was_trained_last_not_blessed_last(shelf):
    older, newer = shelf.train("older"), shelf.train("newer")
    blessing = shelf.evaluate(newer, blessed=True)
    shelf.evaluate(older, blessed=True)
    candidate = shelf.train("candidate")
    assert shelf.resolve(candidate) == {"model": [newer], "model_blessing": [blessing]}


def test_candidate_that_is_blessed_already_is_not_its_own_baseline(shelf):
    candidate = shelf.train("only")
    shelf.evaluate(candidate, blessed=True)
    assert shelf.resolve(candidate) == EMPTY


def test_cached_candidate_keeps_the_baseline_that_it_had(shelf):
    older = shelf.train("older")
    blessing = shelf.evaluate(older, blessed=True)
    candidate = shelf.train("candidate")
    before = shelf.resolve(candidate)
    shelf.evaluate(candidate, blessed=True)
    assert shelf.resolve(candidate) == before
    assert before == {"model": [older], "model_blessing": [blessing]}


def test_model_that_was_rolled_back_is_no_baseline_until_it_is_back(shelf):
    older, newer = shelf.train("older"), shelf.train("newer")
    for model in (older, newer):
        shelf.evaluate(model, blessed=True)
        served = shelf.push(model)
    candidate = shelf.train("candidate")
    assert shelf.resolve(candidate)["model"] == [newer]
    served.rollback()
    assert shelf.resolve(candidate)["model"] == [older]
    served.rollback(2)
    assert shelf.resolve(candidate)["model"] == [newer]


def test_pinned_version_is_the_baseline_whatever_was_pushed_since(shelf):
    pinned, newer = shelf.train("pinned"), shelf.train("newer")
    for model in (pinned, newer):
        shelf.evaluate(model, blessed=True)
        served = shelf.push(model)
    served.pin(1)
    candidate = shelf.train("candidate")
    assert shelf.resolve(candidate)["model"] == [pinned]
    served.unpin()
    assert shelf.resolve(candidate)["model"] == [newer]


def test_model_that_is_blessed_but_was_not_pushed_is_no_baseline_where_one_is_live(shelf):
    live = shelf.train("live")
    shelf.evaluate(live, blessed=True)
    shelf.push(live)
    shelf.evaluate(shelf.train("unsound to serve"), blessed=True)
    assert shelf.resolve(shelf.train("candidate"))["model"] == [live]


def test_candidate_that_is_live_already_keeps_the_version_before_it(shelf):
    older, candidate = shelf.train("older"), shelf.train("candidate")
    for model in (older, candidate):
        shelf.evaluate(model, blessed=True)
        shelf.push(model)
    assert shelf.resolve(candidate)["model"] == [older]


def test_version_from_elsewhere_is_passed_over_for_the_latest_blessed_model(shelf):
    (shelf.directory / "7").mkdir(parents=True)
    (shelf.directory / "7" / "saved_model.pb").write_text("another's")
    latest = shelf.train("latest")
    shelf.evaluate(latest, blessed=True)
    assert shelf.resolve(shelf.train("candidate"))["model"] == [latest]


@tfx.dsl.components.component
def Train(name: Parameter[str], model: Output[Model]):  # noqa: N802
    model.set_string_custom_property("name", name)


@tfx.dsl.components.component
def Evaluate(  # noqa: N802
    model: Input[Model],
    blessing: Output[ModelBlessing],
    baseline: Input[Model] = None,
):
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.BLESSED_VALUE
    )
    blessing.set_string_custom_property(
        "compared_with", baseline.get_string_custom_property("name") if baseline else "nothing"
    )


def test_resolver_of_a_pipeline_finds_the_blessed_model_of_the_run_before(tmp_path):
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.db")
    )
    for name in ("first", "second", "second", "third"):
        train = Train(name=name)
        resolver = tfx.dsl.Resolver(
            strategy_class=BaselineModelStrategy,
            config={"serving_model_dir": str(tmp_path / "serving")},
            model=tfx.dsl.Channel(type=Model),
            model_blessing=tfx.dsl.Channel(type=ModelBlessing),
            **{CANDIDATE: train.outputs["model"]},
        )
        evaluate = Evaluate(model=train.outputs["model"], baseline=resolver.outputs["model"])
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="mill",
                pipeline_root=str(tmp_path / "artifacts"),
                components=[train, resolver, evaluate],
                enable_cache=True,
                metadata_connection_config=connection,
            )
        )
    with metadata.Metadata(connection) as handle:
        blessings = handle.store.get_artifacts_by_type("ModelBlessing")
    # The second run of the second model changes nothing: the Evaluator comes from the cache.
    assert [blessing.custom_properties["compared_with"].string_value for blessing in blessings] == [
        "nothing",
        "first",
        "second",
    ]


def test_model_whose_files_are_gone_is_passed_over_for_an_older_one(shelf):
    older = shelf.train("older")
    blessing = shelf.evaluate(older, blessed=True)
    shelf.evaluate(shelf.train("lost"), blessed=True)
    shutil.rmtree(shelf.models / "lost")
    found = {"model": [older], "model_blessing": [blessing]}
    assert shelf.resolve(shelf.train("candidate")) == found


def test_live_model_whose_files_are_gone_is_passed_over_for_the_version_before(shelf):
    older, live = shelf.train("older"), shelf.train("live")
    blessing = shelf.evaluate(older, blessed=True)
    shelf.evaluate(live, blessed=True)
    shelf.push(older)
    shelf.push(live)
    shutil.rmtree(shelf.models / "live")
    found = {"model": [older], "model_blessing": [blessing]}
    assert shelf.resolve(shelf.train("candidate")) == found


def test_nothing_is_the_baseline_where_all_files_are_gone(shelf):
    shelf.evaluate(shelf.train("lost"), blessed=True)
    shutil.rmtree(shelf.models / "lost")
    assert shelf.resolve(shelf.train("candidate")) == EMPTY
