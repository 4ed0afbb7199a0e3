import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import nodes
from pipeline.engine.lean_store import LeanMetadata
from pipeline.runs.metadata import open_store
from tests.pipeline.mill import Mill

LEFT_OUT = ("name", "type", "properties", "custom_properties")


@pytest.fixture
def mill(tmp_path):
    mill = Mill(tmp_path / "a root %41 #")
    mill.run("first")
    return mill


def without_properties(execution):
    lean = metadata_store_pb2.Execution()
    lean.CopyFrom(execution)
    for field in LEFT_OUT:
        lean.ClearField(field)
    return lean


def test_executions_of_a_context_are_those_of_ml_metadata_without_what_they_were_told(mill):
    store = open_store(mill.metadata)
    contexts = [one.id for one in store.get_contexts()]
    full = [store.get_executions_by_context(one) for one in contexts]
    with LeanMetadata(mill.connection) as handle:
        lean = [handle.store.get_executions_by_context(one) for one in contexts]
    assert any(one.custom_properties for executions in full for one in executions)
    for some, others in zip(full, lean, strict=True):
        expected = sorted(map(without_properties, some), key=lambda one: one.id)
        assert sorted(others, key=lambda one: one.id) == expected


def test_what_is_asked_with_options_ml_metadata_answers(mill):
    import ml_metadata as mlmd

    with LeanMetadata(mill.connection) as handle:
        [context] = handle.store.get_contexts_by_type("pipeline_run")
        options = mlmd.ListOptions(limit=1)
        [one] = handle.store.get_executions_by_context(context.id, list_options=options)
    assert one.type


def test_all_else_is_in_the_store(mill):
    with LeanMetadata(mill.connection) as handle:
        assert len(handle.store.get_artifacts_by_type("Model")) == 1


def test_runs_go_by_it(mill, monkeypatch):
    asked = []
    answer = LeanMetadata.store.fget

    def ask(self):
        asked.append(1)
        return answer(self)

    monkeypatch.setattr(LeanMetadata, "store", property(ask))
    assert mill.run("second")[nodes.TRAINER] == "cached"
    assert asked
