import ast
import re
import shutil
import subprocess
import sys

import pytest

from pipeline import fingerprint as module
from pipeline import nodes
from pipeline.config import PROJECT_DIRECTORY
from pipeline.fingerprint import find_sources, fingerprint, fingerprints, sha256
from pipeline.nodes import (
    CODE,
    DATA_GATE,
    EVALUATOR,
    FIRST_TEST_EVALUATOR,
    IMAGE_STATISTICS,
    LEARNING_RATE_FINDER,
    PUSHER,
    REPORT,
    SERVING_CHECK,
    TRAINER,
    TRANSFORM,
    Code,
)

VERSIONS = {name: "1.0" for code in CODE.values() for name in code.libraries}

EVALUATORS = {EVALUATOR, FIRST_TEST_EVALUATOR}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what nodes run."""
    root = tmp_path_factory.mktemp("checkout")
    for package in ("components", "trainer_module"):
        shutil.copytree(PROJECT_DIRECTORY / package, root / package)
    return root


def take(root, versions=VERSIONS):
    return {node: fingerprint(code, versions, root) for node, code in CODE.items()}


def changed(before, after):
    return {node for node in before if before[node] != after[node]}


def edit(root, path):
    """Adds an empty line; returns what undoes it."""
    file = root / path
    content = file.read_bytes()
    file.write_bytes(content + b"\n")
    return lambda: file.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("components/report/templates/style.css", {REPORT}),
        ("components/report/templates/report.html", {REPORT}),
        ("components/report/render.py", {REPORT}),
        # Imported within a function.
        ("components/report/charts.py", {REPORT}),
        ("components/learning_rate_finder/component.py", {LEARNING_RATE_FINDER}),
        ("components/serving_check/probe/loaders.py", {SERVING_CHECK}),
        ("components/serving_check/runner.py", {SERVING_CHECK}),
        ("components/model_store/store.py", {PUSHER}),
        ("components/evaluation/extractors.py", EVALUATORS),
        # The Pusher and the page read the figures by the metrics' names.
        ("components/evaluation/metrics.py", {*EVALUATORS, PUSHER, REPORT}),
        ("components/verdict.py", {REPORT}),
        ("trainer_module/model.py", {TRAINER, LEARNING_RATE_FINDER}),
        ("trainer_module/learning_rate_finder.py", {TRAINER, LEARNING_RATE_FINDER}),
        ("trainer_module/run_fn.py", {TRAINER}),
        ("trainer_module/signatures.py", {TRAINER}),
        ("trainer_module/warmup.py", {TRAINER, SERVING_CHECK}),
        (
            "trainer_module/preprocessing.py",
            {
                *(IMAGE_STATISTICS, DATA_GATE, TRANSFORM, LEARNING_RATE_FINDER, TRAINER),
                *(*EVALUATORS, REPORT),
            },
        ),
        (
            "trainer_module/features.py",
            {
                *(IMAGE_STATISTICS, DATA_GATE, TRANSFORM, LEARNING_RATE_FINDER, TRAINER),
                *(*EVALUATORS, SERVING_CHECK, PUSHER, REPORT),
            },
        ),
        # Commands run these, and no node does.
        ("components/model_formats/export.py", set()),
        ("components/model_server/process.py", set()),
        ("components/report/component.py", set()),
    ],
)
def test_edited_file_changes_the_fingerprints_of_the_nodes_that_run_it(checkout, path, expected):
    before = take(checkout)
    restore = edit(checkout, path)
    try:
        assert changed(before, take(checkout)) == expected
    finally:
        restore()


@pytest.mark.parametrize("path", ["components/serving_check/probe/more.py", "components/new.py"])
def test_added_file_counts_where_it_is_run(checkout, path):
    before = take(checkout)
    (checkout / path).write_text("")
    try:
        expected = {SERVING_CHECK} if "probe" in path else set()
        assert changed(before, take(checkout)) == expected
    finally:
        (checkout / path).unlink()


def test_fingerprints_do_not_depend_on_where_the_checkout_is(checkout):
    assert take(checkout) == take(PROJECT_DIRECTORY)


def test_fingerprint_is_sixteen_hexadecimal_digits(checkout):
    for one in take(checkout).values():
        assert len(one) == 16
        assert int(one, base=16) >= 0


def test_every_node_has_code_but_those_that_are_never_cached():
    assert CODE.keys() == set(nodes.NODES) - nodes.RESOLVERS


def test_upgraded_library_changes_the_fingerprints_of_the_nodes_that_stand_on_it(monkeypatch):
    installed = dict(VERSIONS)
    monkeypatch.setattr(module.importlib.metadata, "version", installed.__getitem__)
    before = fingerprints()
    installed["keras"] = "2.0"
    assert changed(before, fingerprints()) == {LEARNING_RATE_FINDER, TRAINER}
    installed["tensorflow-model-analysis"] = "2.0"
    assert changed(before, fingerprints()) == {LEARNING_RATE_FINDER, TRAINER, *EVALUATORS, REPORT}
    installed["tfx"] = "2.0"
    assert changed(before, fingerprints()) == set(CODE)


def test_versions_that_are_given_take_the_place_of_those_installed(monkeypatch):
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "2.0")
    assert fingerprints(VERSIONS) == take(PROJECT_DIRECTORY)
    assert fingerprints(VERSIONS) != fingerprints()


def test_fingerprints_come_without_what_they_are_of():
    program = (
        "import sys; from pipeline.fingerprint import fingerprints; fingerprints(); "
        "sys.exit(bool({'tensorflow', 'tfx', 'trainer_module.model'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT_DIRECTORY, check=True)


@pytest.fixture
def loom(tmp_path):
    """A package whose modules import one another in each way that there is."""
    files = {
        "components/__init__.py": "",
        "components/loom/__init__.py": "from components.loom import thread\n",
        "components/loom/weave.py": (
            "import os, components.loom.shuttle\n"
            "def f():\n    from components.loom.knot import tie\n"
            "import trainer_module.wool as wool\n"
        ),
        "components/loom/shuttle.py": "from components.loom import weave, WIDTH\n",
        "components/loom/knot.py": "tie = 1\n",
        "components/loom/thread.py": "",
        "components/loom/other.py": "",
        "trainer_module/__init__.py": "",
        "trainer_module/wool.py": "",
        "os.py": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_sources_are_all_that_is_imported_with_the_packages_around(loom):
    found = find_sources(Code(("components.loom.weave",)), loom)
    assert {path.relative_to(loom).as_posix() for path in found} == {
        "components/__init__.py",
        *(f"components/loom/{name}.py" for name in ("__init__", "weave", "shuttle", "knot")),
        "components/loom/thread.py",
        "trainer_module/__init__.py",
        "trainer_module/wool.py",
    }


def test_renamed_module_is_another_fingerprint(loom):
    code = Code(("components.loom.weave",))
    before = fingerprint(code, {}, loom)
    (loom / "components/loom/knot.py").rename(loom / "components/loom/hitch.py")
    weave = loom / "components/loom/weave.py"
    weave.write_text(weave.read_text())
    assert fingerprint(code, {}, loom) != before


@pytest.mark.parametrize(
    "code", [Code(("components.gone",)), Code(files=("components/gone/*",)), Code(("gone",))]
)
def test_entry_that_is_not_there_is_an_error_and_not_an_empty_fingerprint(loom, code):
    with pytest.raises(FileNotFoundError, match="gone"):
        fingerprint(code, {}, loom)


def named_modules(path):
    """Files of modules of this project that a source names in a text, as for `import_module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for dotted in re.findall(r"^(?:components|trainer_module)(?:\.\w+)+$", node.value):
                place = PROJECT_DIRECTORY.joinpath(*dotted.split("."))
                yield from (
                    file
                    for file in (place.with_suffix(".py"), place / "__init__.py")
                    if file.exists()
                )


@pytest.mark.parametrize("node", CODE)
def test_what_a_source_names_and_does_not_import_is_among_what_the_node_runs(node):
    sources = find_sources(CODE[node])
    for path in sources:
        if path.suffix == ".py":
            assert set(named_modules(path)) <= sources, path


def test_modules_that_are_named_in_a_text_are_found():
    formats = PROJECT_DIRECTORY / "components" / "model_formats" / "formats.py"
    assert {path.name for path in named_modules(formats)} >= {"to_keras.py", "to_onnx.py"}


def test_a_sum_is_that_of_the_bytes(tmp_path):
    # The example of FIPS 180-2; the file is longer than a block.
    (tmp_path / "file").write_bytes(b"a" * 1_000_000)
    expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    assert sha256(tmp_path / "file") == expected
