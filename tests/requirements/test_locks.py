"""The locks, held against setup.py and against what the sources import."""

import ast
import importlib.metadata
import os
import re
import runpy
import sys
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
BROAD, NEWEST, UV = "tfx-1.16.txt", "tfx-1.21.txt", "uv.txt"
LOCKS = {"3.10": BROAD, "3.11": NEWEST, "3.12": NEWEST, "3.13": NEWEST}


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


@pytest.mark.parametrize("lock", [BROAD, NEWEST, UV])
def test_lock_names_no_address(lock):
    text = (CHECKOUT / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)


@pytest.mark.parametrize(("lock", "least"), [(BROAD, 100), (NEWEST, 100), (UV, 1)])
def test_lock_pins_every_requirement_with_a_hash(lock, least):
    entries = read_lock(lock)
    assert len(entries) >= least
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


OWN = {"benchmarks", "components", "deploy", "pipeline", "schema", "tests", "trainer_module"}


def imported_modules(packages):
    """The modules that a package's sources import, but for its own and Python's."""
    # Python has tomllib since 3.11; before, tomli stands in, which is required there only.
    # What mends pyarrow is required there only, too, as later versions of it need no mending.
    # What checks types alone knows _typeshed. PyTorch is compared with where somebody has it.
    elsewhere = {"tomllib", "tomli", "pyarrow_hotfix", "_typeshed", "torch"}
    known = {*OWN, *sys.stdlib_module_names, *elsewhere}
    modules = set()
    for file in (file for package in packages for file in (CHECKOUT / package).rglob("*.py")):
        named = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                named.update({node.module, *(f"{node.module}.{a.name}" for a in node.names)})
        # A program that is called by its path imports its neighbours by their names.
        beside = {neighbour.stem for neighbour in file.parent.glob("*.py")}
        modules |= {name for name in named if name.partition(".")[0] not in known | beside}
    return modules


def names(path):
    """`google/protobuf/any.py` stands for `google` and `google.protobuf`, `six.py` for `six`."""
    parts = [part.partition(".")[0] for part in path.parts[:2]]
    return {parts[0], ".".join(parts)}


def distributions_of(modules):
    """For each module, the installed distributions that it may come with.

    Of those that share a top level, as `google`, the ones that have the module below it.
    """
    owners = {}
    for distribution in importlib.metadata.distributions():
        for name in set().union(*map(names, distribution.files or [])):
            owners.setdefault(name, set()).add(canonicalize_name(distribution.name))
    found = {}
    for module in modules:
        top = module.partition(".")[0]
        below = ".".join(module.split(".")[:2])
        if len(owners[top]) == 1 or below in owners:
            found[module] = owners[top] if len(owners[top]) == 1 else owners[below]
    return found


@pytest.mark.parametrize(
    ("packages", "extras"),
    [(OWN - {"tests", "benchmarks"}, ["formats"]), ({"tests", "benchmarks"}, ["formats", "dev"])],
    ids=["sources", "tests"],
)
def test_what_is_imported_is_required_and_locked_for_both_stacks(packages, extras, setup_arguments):
    named = [*setup_arguments["install_requires"]]
    for extra in extras:
        named.extend(setup_arguments["extras_require"][extra])
    imported = distributions_of(imported_modules(packages))
    assert {"numpy", "google.protobuf", "tensorflow"} <= set(imported)
    for python in LOCKS:
        required = {
            canonicalize_name(one.name)
            for one in map(Requirement, named)
            if one.marker is None or one.marker.evaluate({"python_version": python})
        }
        # TFX's other half, which it pins to its own version.
        required.add("ml-pipelines-sdk")
        usable = required & set(pins_for(python))
        assert {name: owners for name, owners in imported.items() if not owners & usable} == {}
