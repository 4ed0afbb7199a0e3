"""What Beam is told, by what the settings say, and what it would pass over."""

import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)
from tfx.utils import dependency_utils

from pipeline.config import PROJECT_DIRECTORY, load_config
from pipeline.config.running import ENGINES
from pipeline.engine.beam.arguments import check_arguments, make_arguments
from pipeline.errors import UserError
from tests.pipeline.job_servers import Describing, serve

NEEDED = {
    "portable": ["engine.address=localhost:1"],
    "dataflow": ["engine.project=p", "engine.region=r", "engine.staging=gs://b/staging"],
}


def load(engine="local", *assignments):
    given = [f"engine.{one}" for one in assignments]
    return load_config(None, [f"engine.name={engine}", *NEEDED.get(engine, ()), *given])


def make(engine="local", *assignments, package=None):
    return PipelineOptions(make_arguments(load(engine, *assignments), package))


def told(*arguments):
    """What is said of raw arguments."""
    with pytest.raises(UserError) as caught:
        check_arguments(load_config(None, [f"beam.args={[*arguments]}"]))
    return str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_beam_knows_all_that_follows_from_the_settings(engine):
    check((engine,), "--experiments=none")


@pytest.mark.parametrize("engine", ENGINES)
def test_tfx_adds_no_package_of_itself(engine):
    arguments = make_arguments(load(engine))
    assert dependency_utils.make_beam_dependency_flags(arguments) == arguments


def test_workers_elsewhere_install_the_package_that_was_made():
    options = make("prism", package=Path("/run/own.tar.gz")).view_as(SetupOptions)
    assert (options.extra_packages, options.setup_file) == (["/run/own.tar.gz"], None)


@pytest.mark.parametrize(("workers", "mode"), [(1, "in_memory"), (2, "multi_processing")])
def test_more_workers_on_this_machine_are_processes(workers, mode):
    options = make("local", f"workers={workers}").view_as(DirectOptions)
    assert (options.direct_running_mode, options.direct_num_workers) == (mode, workers)


def test_job_server_is_given_its_address_and_as_long_as_a_job_may_take():
    options = make("portable").view_as(PortableOptions)
    assert (options.job_endpoint, options.environment_type) == ("localhost:1", "LOOPBACK")
    assert options.job_server_timeout > 30 * 24 * 3600


@pytest.mark.parametrize("engine", ["prism", "flink", "spark", "portable"])
def test_workers_are_in_the_pool_that_is_named(engine):
    options = make(engine, "environment=pool", "pool_address=pool:50000").view_as(PortableOptions)
    assert (options.environment_type, options.environment_config) == ("EXTERNAL", "pool:50000")


def test_workers_are_in_containers_of_the_image_that_is_named():
    options = make("flink", "environment=docker", "image=own:1").view_as(PortableOptions)
    assert (options.environment_type, options.environment_config) == ("DOCKER", "own:1")


def test_parallelism_is_that_of_the_engine():
    assert "--parallelism=4" in make_arguments(load("flink", "workers=4"))
    assert "--sdk_worker_parallelism=4" in make_arguments(load("spark", "workers=4"))


def test_job_server_that_beam_starts_stages_where_it_is_told():
    options = make("flink", "staging=/mnt/staging").view_as(JobServerOptions)
    assert options.artifacts_dir == "/mnt/staging"


def test_dataflow_is_given_its_project_image_and_places():
    options = make("dataflow", "image=own:1", "workers=8")
    cloud, worker = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region) == ("p", "r")
    assert cloud.staging_location == cloud.temp_location == "gs://b/staging"
    assert (worker.sdk_container_image, worker.max_num_workers) == ("own:1", 8)


def test_arguments_of_ones_own_come_last_and_hold():
    settings = load_config(None, ['beam.args=["--runner=FlinkRunner"]'])
    assert make_arguments(settings)[-1] == "--runner=FlinkRunner"
    assert PipelineOptions(make_arguments(settings)).view_as(StandardOptions).runner == (
        "FlinkRunner"
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--environment_tpye=EXTERNAL", "--environment_type"),
        ("--job_endpont=localhost:1", "--job_endpoint"),
        ("--paralelism", "--parallelism"),
    ],
)
def test_misspelt_argument_is_refused_with_the_nearest_one(given, meant):
    name = given.partition("=")[0]
    assert (
        told(given) == f"Beam has no argument {name}, and would pass over it: did you mean {meant}?"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--qqqqqqq=1"],
            "Beam has no argument --qqqqqqq, and would pass over it: leave it out.",
        ),
        (
            ["--job_port=1", "8073"],
            "beam.args is not allowed: '8073' belongs to nothing.",
        ),
        (
            ["--direct_num_workers=two"],
            "beam.args is not allowed: --direct_num_workers: invalid int value: 'two'.",
        ),
        (
            ["--runner=PortableRunner"],
            "beam.args is not allowed: --runner=PortableRunner needs --job_endpoint, the host:port "
            "of a job server.",
        ),
        (
            ["--environment_type=EXTERNAL"],
            "beam.args is not allowed: --environment_type=EXTERNAL needs --environment_config, the "
            "host:port of a pool.",
        ),
    ],
    ids=["unknown", "stray", "type", "endpoint", "external"],
)
def test_what_beam_can_not_make_sense_of_is_refused(arguments, sentence):
    assert told(*arguments) == sentence


@pytest.mark.parametrize(
    "argument", ["--no_wait_until_finish", "--output_executable_path=a", "--template_location=a"]
)
def test_component_that_would_be_done_before_its_job_is_refused(argument):
    assert f"with {argument.partition('=')[0]}, a component would be done before" in told(argument)


@pytest.fixture
def job_server():
    """The address of one that takes `object_reuse`."""
    with serve(Describing()) as address:
        yield address


def check(engine, *arguments):
    settings = load(*engine)
    beam = settings.beam.model_copy(update={"args": arguments})
    check_arguments(settings.model_copy(update={"beam": beam}))


@pytest.mark.parametrize("engine", ["flink", "portable"])
def test_job_server_may_know_more_than_beam_and_is_asked(engine, job_server):
    asked = (engine, f"address={job_server}")
    check(asked, "--object_reuse=true")
    with pytest.raises(UserError, match="did you mean --object_reuse"):
        check(asked, "--object_resue=true")
    with pytest.raises(UserError, match="no argument --qqqqqqq"):
        check(asked, "--qqqqqqq")


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_job_server_that_is_yet_to_be_started_may_know_what_resembles_nothing(engine):
    check((engine,), "--fasterCopy=true", "--flinkConfDir", "/etc/flink")
    with pytest.raises(UserError, match=r"did you mean --max_parallelism\?"):
        check((engine,), "--maxParallelism=8")


def test_what_beam_itself_finds_wrong_is_told():
    found = told("--environment_type=LOOPBACK", "--environment_config=localhost:1")
    assert "environment_config" in found
    assert "LOOPBACK" in found


@pytest.mark.parametrize("arguments", [[], ["--runner", "FlinkRunner"], ["--streaming"]])
def test_what_beam_knows_is_taken(arguments):
    check_arguments(load_config(None, [f"beam.args={arguments}"]))


def test_without_arguments_of_ones_own_beam_is_not_imported():
    program = (
        "import sys; from pipeline import config; from pipeline.engine.beam import arguments;"
        "arguments.check_arguments(config.Config()); print('apache_beam' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "False\n"
