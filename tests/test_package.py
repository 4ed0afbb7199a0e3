"""The package as it is built, and as it works where there is no checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline
from pipeline import presets

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("components", "deploy", "pipeline", "schema", "trainer_module")


def packaged_files() -> Iterator[Path]:
    """The checkout's, without what tests and tools leave in it."""
    yield from (CHECKOUT / name for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"))
    for package in PACKAGES:
        files = (path for path in (CHECKOUT / package).rglob("*") if path.is_file())
        yield from (file for file in files if "__pycache__" not in file.parts)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, built without a network."""
    place = tmp_path_factory.mktemp("package")
    for file in packaged_files():
        copy = place / "checkout" / file.relative_to(CHECKOUT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [*build, "--no-index", "--wheel-dir", place, place / "checkout"],
        cwd=place,
        check=True,
        timeout=120,
    )
    [built] = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel) -> Path:
    """A directory with the package, as an installation has it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "installed")
    return wheel.parent / "installed"


def call(installed: Path, *argv: str) -> subprocess.CompletedProcess:
    elsewhere = installed.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *argv],
        cwd=elsewhere,
        # Before the checkout, which the tests' environment may have installed.
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_wheel_has_every_file_of_the_packages_and_nothing_else(wheel):
    files = {str(file.relative_to(CHECKOUT)) for file in packaged_files()}
    # The Dockerfile makes an image of a checkout.
    expected = {name for name in files if "/" in name and not name.endswith(".md")} - {
        "deploy/Dockerfile"
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {"deploy/compose.yaml", "pipeline/presets/smoke.toml", "schema/schema.pbtxt"} <= expected
    assert "schema/images.pbtxt" in expected


def test_wheel_has_the_version_and_the_command(wheel):
    assert wheel.name.startswith(f"fashion_mnist_pipeline-{pipeline.__version__}-")
    with zipfile.ZipFile(wheel) as archive:
        [entry] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        text = archive.read(entry).decode()
    assert text.strip().splitlines() == [
        "[console_scripts]",
        "tinyvgg = pipeline.__main__:main",
    ]


PRINT = (
    *(sys.executable, "-m", "pipeline.local_runner"),
    *("--print-config", "--json", "--config"),
)


@pytest.mark.parametrize("preset", presets.names())
def test_presets_are_found_by_name_outside_a_checkout(installed, preset):
    ended = call(installed, *PRINT[1:], preset)
    assert ended.returncode == 0, ended.stderr
    here = subprocess.run(
        [*PRINT, str(presets.find(preset))],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == here.stdout


@pytest.mark.parametrize(
    "argv",
    [
        ["-m", "pipeline", "serve", "list"],
        ["-m", "pipeline.dataset", "info", "--dataset", "sample"],
        ["-m", "pipeline.schema", "show"],
        ["-m", "deploy.client", "--help"],
        # As the script that pip makes of it.
        ["-c", "from pipeline.__main__ import main; main(['serve', 'list'])"],
    ],
)
def test_commands_answer_outside_a_checkout(installed, argv):
    ended = call(installed, *argv)
    assert ended.returncode == 0, ended.stderr


def test_version_outside_a_checkout_names_no_commit(installed):
    ended = call(installed, "-m", "pipeline.serving", "--version")
    assert ended.stdout == f"tinyvgg {pipeline.__version__}\n"


BEAM = """
from pipeline import config
from pipeline.engine.beam.arguments import make_arguments
print(config.__file__)
print(*make_arguments(config.Config()))
"""


def test_beams_workers_on_this_machine_need_no_checkout(installed):
    place, arguments = call(installed, "-c", BEAM).stdout.splitlines()
    assert Path(place).is_relative_to(installed)
    assert "--direct_num_workers=1" in arguments
    # By which TFX does not package itself for each component, and which nobody opens.
    assert f"--setup_file={installed}/setup.py" in arguments
