"""What workers install has all that a job runs, wherever the packages lie."""

import shutil
import subprocess
import sys
import zipfile

import pytest

import pipeline
from pipeline.config import PROJECT_DIRECTORY, load_config
from pipeline.engine.beam.packaging import build_package, provide

PACKAGES = ("components", "pipeline", "schema", "trainer_module")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_package(tmp_path_factory.mktemp("wheel"))


def test_pip_installs_it_without_an_index(wheel, tmp_path):
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--no-compile",
        "--target",
        tmp_path,
    ]
    subprocess.run([*pip, wheel], check=True)
    program = (
        "import components.evaluation.extractors as code, pipeline, schema;"
        "print(code.__file__, schema.SCHEMA_FILE.is_file(), pipeline.__version__)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    place = tmp_path / "components" / "evaluation" / "extractors.py"
    assert ended.stdout == f"{place} True {pipeline.__version__}\n"


def test_it_has_every_file_of_the_packages_and_its_own(wheel):
    files = {
        path.relative_to(PROJECT_DIRECTORY).as_posix()
        for package in PACKAGES
        for path in (PROJECT_DIRECTORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == files
    assert len(names) == len({*names}) == len(files) + 3


def test_same_code_is_the_same_file_wherever_it_lies_and_whatever_was_compiled(wheel, tmp_path):
    copy = tmp_path / "copy"
    for package in PACKAGES:
        shutil.copytree(
            PROJECT_DIRECTORY / package, copy / package, ignore=shutil.ignore_patterns("*.pyc")
        )
    assert build_package(tmp_path, copy).read_bytes() == wheel.read_bytes()


def test_nothing_is_written_where_the_packages_lie(tmp_path):
    project = tmp_path / "project"
    for package in PACKAGES:
        shutil.copytree(PROJECT_DIRECTORY / package, project / package)
    before = sorted(project.rglob("*"))
    build_package(tmp_path, project)
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("assignment", ["engine.name=prism", "beam.args=['--runner=FlinkRunner']"])
def test_workers_elsewhere_get_it(assignment, tmp_path):
    environment = {}
    package = provide(load_config(None, [assignment]), tmp_path, environment)
    assert ([package], environment) == ([*tmp_path.iterdir()], {})


def test_processes_on_this_machine_find_the_packages_themselves(tmp_path):
    environment = {"PYTHONPATH": "/own"}
    assert provide(load_config(None, ["engine.workers=2"]), tmp_path, environment) is None
    assert environment["PYTHONPATH"] == f"{PROJECT_DIRECTORY}:/own"
    assert not [*tmp_path.iterdir()]


def test_this_process_itself_needs_nothing(tmp_path):
    environment = {}
    assert provide(load_config(), tmp_path, environment) is None
    assert (environment, [*tmp_path.iterdir()]) == ({}, [])
