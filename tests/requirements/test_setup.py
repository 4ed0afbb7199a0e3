import os
import re
import signal
import time

import pytest

BROAD, NEWEST = "tfx-1.16.txt", "tfx-1.21.txt"
LOCKS = {"3.10": BROAD, "3.11": NEWEST, "3.12": NEWEST, "3.13": NEWEST}


@pytest.fixture(params=["uv", "pip"])
def any_machine(machine, request):
    if request.param == "uv":
        machine.add_uv()
    return machine


@pytest.fixture
def ready_machine(any_machine):
    """One on which `make setup` went well."""
    machine = any_machine
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
    [install] = [call for call in machine.calls if call.endswith(f" requirements/{LOCKS[chosen]}")]
    assert "--require-hashes" in install


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
def test_uv_fetches_a_python_into_the_checkout_where_there_is_none(uv_machine, glibc, version):
    uv_machine.set_glibc(glibc)
    fetched = uv_machine.fetched
    uv_machine.add_python(version, name=fetched.name, directory=fetched.parent)
    ended = uv_machine.setup()
    assert ended.returncode == 0, ended.stderr
    assert f"Python {version}.0, requirements/{LOCKS[version]}" in ended.stdout
    install = uv_machine.calls[0]
    assert install.startswith("uv python install")
    assert install.endswith(f" {version}")
    assert "--no-bin" in install
    own = str(uv_machine.checkout / ".python")
    assert uv_machine.uv_environment()["UV_PYTHON_INSTALL_DIR"] == own


def test_uv_that_can_not_fetch_leaves_the_sentence(uv_machine):
    assert "install one" in said(uv_machine.setup())


def test_uv_needs_no_ensurepip(uv_machine):
    uv_machine.add_python("3.13", lacks="ensurepip")
    ended = uv_machine.setup()
    assert "Python 3.13.0" in ended.stdout
    assert ended.returncode == 0, ended.stderr


def test_python_that_is_named_is_taken(any_machine, tmp_path):
    any_machine.add_python("3.13")
    named = any_machine.add_python("3.11", name="mine", directory=tmp_path / "my pythons")
    any_machine.environment["PYTHON"] = str(named)
    ended = any_machine.setup()
    assert "Python 3.11.0" in ended.stdout
    assert ended.returncode == 0, ended.stderr


def test_naming_another_python_makes_the_environment_anew(ready_machine):
    ready_machine.add_python("3.11")
    ready_machine.environment["PYTHON"] = "python3.12"
    assert ready_machine.setup().stdout == ""
    ready_machine.environment["PYTHON"] = "python3.11"
    assert "Python 3.11.0" in ready_machine.setup().stdout
    del ready_machine.environment["PYTHON"]
    assert ready_machine.setup().stdout == ""


@pytest.mark.parametrize(
    ("named", "word"),
    [
        ("python3.9", "is Python 3.9"),
        ("python3.12", "ensurepip"),
        ("/nonexistent", "no Python that runs"),
        ("cat", "no Python that runs"),
    ],
)
def test_named_python_that_will_not_do_is_one_sentence(machine, named, word):
    machine.add_python("3.9")
    machine.add_python("3.12", lacks="ensurepip")
    machine.add_python("3.13")
    machine.environment["PYTHON"] = named
    sentence = said(machine.setup())
    assert f"PYTHON={named} " in sentence
    assert word in sentence
    assert not (machine.checkout / ".venv").exists()


def test_broken_ensurepip_is_one_sentence(machine):
    machine.add_python("3.12")
    machine.note("broken", "ensurepip")
    ended = machine.setup()
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("setup: ")
    assert "ensurepip is broken" in line
    assert not machine.is_set_up


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
    tools, lock, project = [call for call in ready_machine.calls if " pip " in call]
    for call in (tools, lock):
        assert "--require-hashes" in call
    assert "--no-deps" in lock or "pip sync" in lock
    for call in (tools, project):
        assert "--no-deps" in call
    assert "--editable ." in project
    for call in (lock, project):
        assert "--no-build-isolation" in call
    assert all("--no-cache-dir" in call for call in ready_machine.calls if "-m pip" in call)
    assert not list(ready_machine.home.iterdir())


def test_source_is_built_by_the_setuptools_of_the_lock(ready_machine):
    tools = (ready_machine.checkout / ".venv" / "build.txt").read_text()
    lock = (ready_machine.checkout / "requirements" / NEWEST).read_text()
    assert re.fullmatch(r"setuptools==[\d.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", tools)
    assert f"\n{tools}" in lock


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
    "file",
    [
        f"requirements/{BROAD}",
        f"requirements/{NEWEST}",
        "requirements/setup.sh",
        "requirements/uv.sh",
        "setup.py",
    ],
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


def test_change_of_the_lock_installs_the_difference_where_uv_can(uv_machine):
    uv_machine.add_python("3.12")
    uv_machine.setup()
    kept = uv_machine.checkout / ".venv" / "kept"
    kept.touch()
    with (uv_machine.checkout / "requirements" / NEWEST).open("a") as text:
        text.write("# An edit.\n")
    assert "what differs" in uv_machine.setup().stdout
    assert kept.exists()
    assert not [call for call in uv_machine.calls if call.startswith("uv venv")]


def test_installation_that_fails_is_a_failure_and_starts_again(any_machine):
    any_machine.add_python("3.12")
    any_machine.note("broken", "install")
    assert any_machine.setup().returncode != 0
    assert not any_machine.is_set_up
    any_machine.mend()
    ended = any_machine.setup()
    assert ended.returncode == 0, ended.stderr
    assert "what differs" not in ended.stdout
    assert any_machine.is_set_up


def test_update_that_fails_is_not_taken_for_whole(uv_machine):
    uv_machine.add_python("3.12")
    uv_machine.setup()
    with (uv_machine.checkout / "setup.py").open("a") as text:
        text.write("# An edit.\n")
    uv_machine.note("broken", "install")
    assert uv_machine.setup().returncode != 0
    assert not uv_machine.is_set_up
    uv_machine.mend()
    assert "what differs" not in uv_machine.setup().stdout
    assert uv_machine.is_set_up


def wait_for_install(machine):
    end = time.monotonic() + 30
    while "pip sync" not in machine.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_interrupted_setup_is_not_taken_for_whole(uv_machine):
    uv_machine.add_python("3.12")
    uv_machine.note("slow", "30")
    uv_machine.log.touch()
    process = uv_machine.start()
    wait_for_install(uv_machine)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not uv_machine.is_set_up
    uv_machine.note("slow", "0")
    assert "what differs" not in uv_machine.setup().stdout
    assert uv_machine.is_set_up


def test_second_of_two_at_once_waits_and_does_nothing(uv_machine):
    uv_machine.add_python("3.12")
    uv_machine.note("slow", "2")
    uv_machine.log.touch()
    first = uv_machine.start()
    wait_for_install(uv_machine)
    second = uv_machine.start()
    printed, said = second.communicate(timeout=30)
    assert first.communicate(timeout=30)[1] == said == ""
    assert (first.returncode, second.returncode) == (0, 0)
    assert printed.count("\n") == 1
    assert "waits" in printed
    assert len([call for call in uv_machine.calls if "pip sync" in call]) == 1
