import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
BROAD, NEWEST = "tfx-1.16.txt", "tfx-1.21.txt"
LOCKS = {"3.10": BROAD, "3.11": NEWEST, "3.12": NEWEST, "3.13": NEWEST}

TOOLS = ("bash", "cat", "cp", "cut", "dirname", "head", "mkdir", "sha256sum", "sort")

# The interpreter of the tests, under another version; what it would install, it notes down.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>'{log}'
case "$*" in
  --version) echo 'Python {version}.0' ;;
  *'-m venv'*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *'-m pip'*) [ ! -e '{log}.broken' ] ;;
  *compileall*) false ;;
  *) exec '{python}' -S -c '
import sys, sysconfig
sys.version_info = (*map(int, "{version}".split(".")), 0, "final", 0)
sys.modules.update(dict.fromkeys("{lacks}".split()))
sysconfig.get_path = lambda name: "{headers}"
exec(sys.argv[1])' "$2" ;;
esac
"""

FAKE_UV = """#!/bin/sh
echo "uv $* into $UV_PYTHON_INSTALL_DIR" >>'{log}'
case "$*" in
  *'python install'*) {install} ;;
  *'python find'*) echo '{found}' ;;
esac
"""


class Machine:
    """A checkout on a machine of which nothing is real but a few tools of the shell."""

    def __init__(self, root: Path):
        self.bin, self.home, self.headers = root / "bin", root / "home", root / "headers"
        # A blank in the path, as people have them.
        self.checkout = root / "check out"
        self.log = root / "log"
        self.environment = {"PATH": str(self.bin), "HOME": str(self.home)}
        for directory in (self.bin, self.home, self.headers):
            directory.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_program("c++", "#!/bin/sh\n")
        (self.headers / "Python.h").touch()
        shutil.copytree(CHECKOUT / "requirements", self.checkout / "requirements")
        shutil.copy(CHECKOUT / "setup.py", self.checkout)

    def add_program(self, name: str, text: str, directory: Path | None = None) -> Path:
        program = (directory or self.bin) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
        return program

    def set_glibc(self, version: str) -> None:
        self.add_program("getconf", f"#!/bin/sh\necho 'glibc {version}'\n")

    def add_python(self, version, *, name=None, directory=None, lacks="") -> Path:
        text = FAKE_PYTHON.format(
            version=version, log=self.log, python=sys.executable, headers=self.headers, lacks=lacks
        )
        return self.add_program(name or f"python{version}", text, directory)

    def setup(self) -> subprocess.CompletedProcess:
        self.log.write_text("")
        return subprocess.run(
            [self.bin / "bash", self.checkout / "requirements" / "setup.sh"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """What the Pythons and uv were asked for, but for questions."""
        return re.findall(r"^(?:uv|.*-m) .*$", self.log.read_text(), re.MULTILINE)

    @property
    def is_set_up(self) -> bool:
        return (self.checkout / ".venv" / "stamp").exists()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.set_glibc("2.39")
    return machine


@pytest.fixture
def ready_machine(machine):
    """One on which `make setup` went well."""
    machine.add_python("3.12")
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr
    return machine


def said(ended):
    """The one sentence on standard error of a setup that gave up."""
    assert ended.returncode == 2
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("setup: ")
    return line


@pytest.mark.parametrize(
    ("glibc", "there", "chosen"),
    [
        ("2.36", ["3.10", "3.11", "3.12", "3.13"], "3.10"),
        # As versions go, 2.9 comes before 2.39 and 2.100 after it.
        ("2.9", ["3.10", "3.12"], "3.10"),
        ("2.100", ["3.10", "3.12"], "3.12"),
        ("2.39", ["3.10", "3.11", "3.12", "3.13"], "3.13"),
        ("2.41", ["3.9", "3.10", "3.11", "3.12", "3.14"], "3.12"),
        ("2.39", ["3.10", "3.11"], "3.11"),
        ("2.39", ["3.10"], "3.10"),
    ],
)
def test_newest_python_that_suits_the_machine_is_taken_with_its_lock(machine, glibc, there, chosen):
    machine.set_glibc(glibc)
    for version in there:
        machine.add_python(version)
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr
    assert f"Python {chosen}.0, requirements/{LOCKS[chosen]}, into .venv" in ended.stdout
    [install] = [call for call in machine.calls if "--require-hashes" in call]
    assert install.endswith(f"-r requirements/{LOCKS[chosen]}")


def test_without_a_python_for_a_new_glibc_it_says_which_ones_suit_and_how_to_get_one(machine):
    machine.add_python("3.9")
    machine.add_python("3.14")
    sentence = said(machine.setup())
    for word in ("3.10", "3.11", "3.12", "3.13", "pyenv install", "apt-get install", "uv"):
        assert word in sentence
    assert not (machine.checkout / ".venv").exists()


def test_without_a_python_for_an_old_glibc_it_says_which_one_suits_and_how_to_get_it(machine):
    machine.set_glibc("2.36")
    machine.add_python("3.12")
    sentence = said(machine.setup())
    for word in ("Python 3.10", "glibc", "2.39", "pyenv install 3.10", "uv"):
        assert word in sentence
    assert "3.12" not in sentence
    assert not (machine.checkout / ".venv").exists()


def test_python_that_can_not_make_an_environment_is_passed_over(machine):
    machine.add_python("3.13", lacks="ensurepip")
    machine.add_python("3.12", lacks="venv")
    machine.add_python("3.11")
    assert "Python 3.11.0" in machine.setup().stdout


def test_python_that_is_another_than_its_name_says_is_passed_over(machine):
    machine.add_python("3.9", name="python3.13")
    machine.add_python("3.12")
    assert "Python 3.12.0" in machine.setup().stdout


@pytest.mark.parametrize("named", [False, True], ids=["at_home", "in_PYENV_ROOT"])
def test_python_of_pyenv_is_found(machine, tmp_path, named):
    root = machine.home / ".pyenv"
    if named:
        root = tmp_path / "py env"
        machine.environment["PYENV_ROOT"] = str(root)
    machine.add_python("3.12", name="python", directory=root / "versions" / "3.12.1" / "bin")
    ended = machine.setup()
    assert "Python 3.12.0" in ended.stdout
    assert ended.returncode == 0, ended.stderr


def test_user_without_a_home_is_no_obstacle(machine):
    machine.add_python("3.12")
    del machine.environment["HOME"]
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("glibc", "version"), [("2.36", "3.10"), ("2.39", "3.12")])
def test_uv_fetches_a_python_into_the_checkout_where_there_is_none(machine, glibc, version):
    machine.set_glibc(glibc)
    fetched = machine.add_python(version, directory=machine.checkout / ".python")
    machine.add_program("uv", FAKE_UV.format(log=machine.log, install="true", found=fetched))
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr
    assert f"Python {version}.0, requirements/{LOCKS[version]}" in ended.stdout
    install = machine.calls[0]
    assert install.endswith(f" {version} into {machine.checkout / '.python'}")
    assert "--no-bin" in install


def test_uv_that_can_not_fetch_leaves_the_sentence(machine):
    machine.add_program("uv", FAKE_UV.format(log=machine.log, install="false", found=""))
    assert "install one" in said(machine.setup())


@pytest.mark.parametrize("named", [False, True], ids=["none_on_the_path", "CXX_does_not_exist"])
def test_missing_compiler_is_one_sentence(machine, named):
    machine.add_python("3.12")
    if named:
        machine.environment["CXX"] = "/nonexistent/c++"
    else:
        (machine.bin / "c++").unlink()
    sentence = said(machine.setup())
    assert "C++ compiler" in sentence
    assert "g++" in sentence
    assert not (machine.checkout / ".venv").exists()


@pytest.mark.parametrize("arguments", ["", " -pipe"], ids=["alone", "with_arguments"])
def test_compiler_that_is_named_in_the_environment_will_do(machine, arguments):
    machine.add_python("3.12")
    (machine.bin / "c++").rename(machine.bin / "clang++")
    machine.environment["CXX"] = f"clang++{arguments}"
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr


def test_missing_headers_of_python_are_one_sentence(machine):
    machine.add_python("3.12")
    (machine.headers / "Python.h").unlink()
    sentence = said(machine.setup())
    assert str(machine.headers) in sentence
    assert "python3-dev" in sentence
    assert not (machine.checkout / ".venv").exists()


def test_only_what_is_locked_is_installed_and_nothing_is_left_at_home(ready_machine):
    lock, project = [call for call in ready_machine.calls if "pip" in call]
    assert "--no-deps" in lock
    assert "--require-hashes" in lock
    assert "--no-deps" in project
    assert "--editable ." in project
    for call in (lock, project):
        assert "--no-cache-dir" in call
    assert not list(ready_machine.home.iterdir())


def test_second_call_does_nothing_and_answers_at_once(ready_machine):
    started = time.monotonic()
    ended = ready_machine.setup()
    assert time.monotonic() - started < 2
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert ready_machine.log.read_text() == ""


def test_second_call_needs_no_python_but_that_of_the_environment(ready_machine):
    (ready_machine.bin / "python3.12").unlink()
    assert ready_machine.setup().returncode == 0


@pytest.mark.parametrize(
    "file", [f"requirements/{BROAD}", f"requirements/{NEWEST}", "requirements/setup.sh", "setup.py"]
)
def test_change_of_what_is_installed_sets_up_anew(ready_machine, file):
    with (ready_machine.checkout / file).open("a") as text:
        text.write("# An edit.\n")
    assert "setup: done" in ready_machine.setup().stdout
    assert ready_machine.setup().stdout == ""


def test_moved_checkout_is_set_up_anew(ready_machine):
    # The scripts of an environment name its path.
    moved = ready_machine.checkout.with_name("elsewhere")
    ready_machine.checkout.rename(moved)
    ready_machine.checkout = moved
    assert "setup: done" in ready_machine.setup().stdout


def test_environment_whose_python_is_gone_is_made_anew(ready_machine):
    (ready_machine.checkout / ".venv" / "bin" / "python").unlink()
    assert "setup: done" in ready_machine.setup().stdout


def test_installation_that_fails_is_a_failure_and_starts_again(machine):
    machine.add_python("3.12")
    broken = Path(f"{machine.log}.broken")
    broken.touch()
    assert machine.setup().returncode != 0
    assert not machine.is_set_up
    broken.unlink()
    assert machine.setup().returncode == 0
    assert machine.is_set_up


def read_lock(name):
    """Each requirement of a lock, with its hashes."""
    text = (CHECKOUT / "requirements" / name).read_text(encoding="utf-8")
    lines = text.replace("\\\n", "").splitlines()
    entries = [line.split(" --hash=") for line in lines if not line.startswith("#")]
    return [(Requirement(first), [one.strip() for one in hashes]) for first, *hashes in entries]


def pins_for(python):
    """The versions of a lock by name that apply to a Python on Linux."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    pins = {}
    for requirement, _ in read_lock(LOCKS[python]):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    return pins


@pytest.fixture
def setup_arguments(monkeypatch):
    """What setup.py passes to setuptools."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(CHECKOUT)
    runpy.run_path(os.fspath(CHECKOUT / "setup.py"))
    return given


@pytest.mark.parametrize("lock", [BROAD, NEWEST])
def test_lock_names_no_address(lock):
    text = (CHECKOUT / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)


@pytest.mark.parametrize("lock", [BROAD, NEWEST])
def test_lock_pins_every_requirement_with_a_hash(lock):
    entries = read_lock(lock)
    assert len(entries) > 100
    for requirement, hashes in entries:
        [pin] = requirement.specifier
        assert pin.operator == "==", requirement
        assert "*" not in pin.version, requirement
        assert requirement.url is None
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("python", LOCKS)
def test_lock_holds_one_version_of_each_package_for_a_python(python):
    assert {name: pins for name, pins in pins_for(python).items() if len(pins) > 1} == {}


@pytest.mark.parametrize("python", LOCKS)
def test_lock_holds_every_dependency_of_setup_py_within_its_range(python, setup_arguments):
    pins = pins_for(python)
    named = [*setup_arguments["install_requires"]]
    for extra in setup_arguments["extras_require"].values():
        named.extend(extra)
    wanted = [
        one
        for one in map(Requirement, named)
        if one.marker is None or one.marker.evaluate({"python_version": python})
    ]
    assert len(wanted) > 15
    for requirement in wanted:
        [[pin]] = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin.version), f"{requirement}: {pin}"


def test_setup_py_takes_the_pythons_that_have_a_lock_and_no_other(setup_arguments):
    taken = SpecifierSet(setup_arguments["python_requires"])
    assert list(taken.filter(["3.9.18", "3.10.0", "3.11.2", "3.12.7", "3.13.1", "3.14.0"])) == [
        "3.10.0",
        "3.11.2",
        "3.12.7",
        "3.13.1",
    ]
