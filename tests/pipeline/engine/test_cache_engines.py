"""Neither the engine nor the place of the checkout is a reason to run again."""

import hashlib
import itertools
import shutil
from pathlib import Path

import apache_beam as beam
import pytest
from tfx import v1 as tfx
from tfx.types import standard_artifacts

import schema
from pipeline import config, nodes
from pipeline.engine import cache
from pipeline.engine.cache import checked_cache
from pipeline.engine.dag_runner import ObservedDagRunner
from trainer_module.tfx_internals import cache_utils

LOCAL = [
    "--setup_file=/checkout/setup.py",
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
]


@tfx.dsl.components.component(use_beam=True)
def Count(  # noqa: N802
    counts: tfx.dsl.components.OutputArtifact[standard_artifacts.Examples],
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
):
    pass


@pytest.fixture
def run(tmp_path):
    """Runs a node of Beam's, and one that imports a schema; returns how they ended."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.db")
    )
    number = itertools.count()

    def run(arguments, file=schema.SCHEMA_FILE):
        importer = tfx.components.ImportSchemaGen(schema_file=str(file))
        importer.exec_properties["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="engines",
            pipeline_root=str(tmp_path / "artifacts"),
            components=[Count(), importer],
            enable_cache=True,
            metadata_connection_config=connection,
            beam_pipeline_args=arguments,
        )
        ended = {}
        observe = ended.__setitem__
        runner = ObservedDagRunner(
            f"run {next(number)}", lambda node, state, _: observe(node, state)
        )
        runner.run(pipeline)
        return ended

    return run


def states(beam, importer):
    return {"Count": beam, nodes.IMPORT_SCHEMA_GEN: importer}


@pytest.fixture
def checked(tmp_path):
    with checked_cache(tmp_path, tmp_path / "serving"):
        yield


@pytest.mark.usefixtures("checked")
def test_what_one_engine_made_is_taken_from_the_cache_on_another(run):
    portable = ["--runner=PortableRunner", "--job_endpoint=localhost:1", "--setup_file=/x/setup.py"]
    assert run(LOCAL) == states("done", "done")
    assert run(portable) == states("cached", "cached")
    assert run([*portable, "--parallelism=4"]) == states("cached", "cached")
    assert run(LOCAL) == states("cached", "cached")


@pytest.mark.usefixtures("checked")
def test_schema_is_the_same_wherever_the_checkout_lies(run, tmp_path_factory, monkeypatch):
    assert run(LOCAL)[nodes.IMPORT_SCHEMA_GEN] == "done"
    elsewhere = tmp_path_factory.mktemp("schema") / schema.SCHEMA_FILE.name
    shutil.copy(schema.SCHEMA_FILE, elsewhere)
    monkeypatch.setattr(cache, "_SCHEMAS", {str(elsewhere.parent): "{schema}"})
    assert run(LOCAL, elsewhere)[nodes.IMPORT_SCHEMA_GEN] == "cached"


@pytest.mark.usefixtures("checked")
def test_edited_schema_is_read_again(run, tmp_path, monkeypatch):
    edited = tmp_path / "schema" / schema.SCHEMA_FILE.name
    edited.parent.mkdir()
    shutil.copy(schema.SCHEMA_FILE, edited)
    monkeypatch.setattr(cache, "_SCHEMAS", {str(edited.parent): "{schema}"})
    run(LOCAL, edited)
    edited.write_text(f"# Edited\n{edited.read_text()}")
    assert run(LOCAL, edited)[nodes.IMPORT_SCHEMA_GEN] == "done"


def test_what_a_version_made_that_counted_beams_arguments_is_taken_from_the_cache(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(config, "PROJECT_DIRECTORY", Path("/checkout"))
    # As that version kept it: by TFX's own key but for the root and what changes of inputs.
    with monkeypatch.context() as before:
        make_key = cache_utils.get_cache_context

        def hide(parameters):
            return {
                key: one.replace(str(tmp_path), "{root}") if isinstance(one, str) else one
                for key, one in parameters.items()
            }

        def count_all(*, parameters, **others):
            hidden = {
                key: cache._hide(one, {str(tmp_path): "{root}"}) for key, one in parameters.items()
            }
            return make_key(parameters=hidden, **others)

        before.setattr(cache_utils, "get_cache_context", count_all)
        assert run(LOCAL) == states("done", "done")
    with checked_cache(tmp_path, tmp_path / "serving"):
        assert run(["--runner=PortableRunner"]) == states("cached", "cached")
        assert run(LOCAL) == states("cached", "cached")


def test_what_that_version_made_by_other_arguments_runs_again(run, tmp_path):
    run([*LOCAL, "--experiments=x"])
    with checked_cache(tmp_path, tmp_path / "serving"):
        assert run(LOCAL)["Count"] == "done"
