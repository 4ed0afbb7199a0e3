"""Who may import whom, and who may spell a name that has its one place."""

import ast
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer_module import features, served

CHECKOUT = Path(__file__).resolve().parents[1]

FORBIDDEN = {
    "trainer_module": {"pipeline", "components", "deploy", "tests"},
    "components": {"pipeline", "deploy", "tests"},
    "schema": {"pipeline", "components", "trainer_module", "deploy", "tests"},
    "pipeline": {"deploy", "tests"},
    "deploy": {"tests"},
}

ORDER = {
    "pipeline": (
        # The commands, and what a notebook imports.
        ("__main__",),
        ("engine.__main__", "runs.__main__"),
        ("local_runner", "dataset", "inspect", "schema", "serving", "frames"),
        ("data_inspection", "serving_commands"),
        ("screen",),
        ("engine",),
        ("graph",),
        ("curation", "data_nodes", "upkeep"),
        ("span_nodes",),
        ("runs",),
        ("effect",),
        ("data",),
        ("comparison", "evaluation", "settings", "workspace"),
        ("config",),
        ("interrupt", "overrides", "presets", "refusal"),
        ("causes", "fingerprint"),
        ("errors", "nodes"),
    ),
    "components": (
        ("report",),
        (
            "atomic_pusher",
            "baseline_resolver",
            "bounded_import",
            "learning_rate_finder",
            "serving_check",
            "span_resolvers",
        ),
        ("listing", "verdict"),
        ("data_gate",),
        ("evaluation", "image_statistics", "model_formats", "model_server", "model_store"),
        (
            "blessings",
            "image_measures",
            "programs",
            "properties",
            "quiet",
            "split_files",
        ),
    ),
}
"""The rooms of a package from the top down: each may import those of the lines below it."""

UNUSED = (
    *("google.cloud.aiplatform", "kfp", "tfx.extensions", "tfx.orchestration.kubeflow", "tfx.v1"),
    "vl_convert",
)
"""What takes seconds, and nobody needs but the first page, whose script the last puts together."""

PROBE = (*UNUSED, "tfx", "tfx_bsl", "apache_beam", "tensorflow_transform")
"""As above, for a process that does as a server does."""

SLOW = ("tensorflow", "keras", "tfx", "apache_beam", "tensorflow_transform", "ml_metadata")


def sources(*packages: str) -> list[Path]:
    return [file for package in packages for file in sorted((CHECKOUT / package).rglob("*.py"))]


def name(file: Path) -> str:
    return str(file.relative_to(CHECKOUT))


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), name(file))


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all imports, also of those within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import could leave the package unseen.
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", sources(*FORBIDDEN), ids=name)
def test_nothing_imports_upward(file):
    package = file.relative_to(CHECKOUT).parts[0]
    found = {module.partition(".")[0] for module in imported(parse(file))}
    assert not FORBIDDEN[package] & found


@pytest.mark.parametrize("file", sources(*FORBIDDEN, "benchmarks", "tests"), ids=name)
def test_no_record_is_a_tuple(file):
    words = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(parse(file))}
    assert not {"NamedTuple", "namedtuple"} & words


@pytest.mark.parametrize("file", sources(*FORBIDDEN, "benchmarks"), ids=name)
def test_every_dataclass_is_frozen(file):
    marks = [
        mark
        for node in ast.walk(parse(file))
        if isinstance(node, ast.ClassDef)
        for mark in map(ast.unparse, node.decorator_list)
        if "dataclass" in mark
    ]
    assert all("frozen=True" in mark for mark in marks)


def rooms(package: str) -> dict[str, list[Path]]:
    """The modules of each room; a module that is in no folder is a room of its own.

    So is a command that is called by the name of its folder, and stands above it.
    """
    found = {}
    for file in sources(package):
        parts = file.relative_to(CHECKOUT / package).with_suffix("").parts
        commands = [room for line in ORDER[package] for room in line if room == ".".join(parts)]
        room = commands[0] if commands else parts[0]
        found.setdefault(room, []).append(file)
    del found["__init__"]
    return found


@pytest.mark.parametrize("package", ORDER)
def test_every_room_has_its_place_in_the_order(package):
    assert sorted(room for line in ORDER[package] for room in line) == sorted(rooms(package))


@pytest.mark.parametrize(
    ("package", "room"), [(package, room) for package in ORDER for room in rooms(package)]
)
def test_room_imports_only_itself_and_those_below_it(package, room):
    lines = iter(ORDER[package])
    next(line for line in lines if room in line)
    allowed = {room, *itertools.chain.from_iterable(lines)}
    found = {
        (name(file), module)
        for file in rooms(package)[room]
        for module in imported(parse(file))
        if module.startswith(f"{package}.") and module.split(".")[1] not in allowed
    }
    assert not found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_every_package_has_sources(package):
    assert sources(package)


@pytest.mark.parametrize(
    "module",
    [
        *("pipeline.local_runner", "pipeline.dataset", "pipeline.serving", "pipeline.inspect"),
        *("pipeline.runs.__main__", "pipeline.engine.__main__"),
        *("pipeline.__main__", "pipeline.schema"),
        *("pipeline.engine.worker", "pipeline.runs.history", "deploy.client"),
        *("pipeline.data.sources", "pipeline.data.writing", "trainer_module.features"),
        *("pipeline.data_inspection", "pipeline.runs.run_data"),
        *("components.image_statistics.findings", "components.image_statistics.labels"),
        *("components.image_statistics.description", "components.image_statistics.distances"),
    ],
)
def test_importing_a_command_loads_nothing_slow(module):
    program = f"import sys, {module}; print(*(name for name in {SLOW} if name in sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "\n"


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("from pipeline.engine.libraries import load_libraries; load_libraries()", UNUSED),
        ("import components.report.executor, components.report.reading", UNUSED),
        ("import trainer_module.run_fn", UNUSED),
        ("import trainer_module.preprocessing", UNUSED),
        ("import components.image_statistics.executor", UNUSED),
        ("import components.evaluation.extractors, components.evaluation.metrics", UNUSED),
        ("sys.path.insert(0, 'components/serving_check/probe'); import checks, loaders", PROBE),
    ],
    ids=["worker", "report", "trainer", "transform", "statistics", "evaluator", "probe"],
)
def test_no_process_of_a_run_imports_what_it_does_not_use(program, unwanted):
    told = f"import sys; {program}; print(*(name for name in {unwanted} if name in sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", told], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "\n"


def constants(tree: ast.Module) -> list[object]:
    """What the code spells, also in parts of f-strings, but for docstrings."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in prose
    ]


def test_the_names_of_the_features_are_spelled_in_one_file():
    names = {"image", "label", b"image", b"label"}
    found = {name(file): {*constants(parse(file))} & names for file in sources(*FORBIDDEN)}
    strays = {file: spelled for file, spelled in found.items() if spelled}
    assert strays == {"trainer_module/features.py": {"image", "label"}}


DATASET = features.DATASET
NAMES = (
    *(DATASET.name, DATASET.title, DATASET.variable, DATASET.shared_directory),
    # Of T-shirt/top also what people say.
    *(part for name in DATASET.class_names for part in {name, name.partition("/")[0]}),
    *(file.name for file in DATASET.official.files),
    *DATASET.official.addresses,
)
OWN_WORDS = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, NAMES))})(?!\w)")
# Not the size of the test set, a round number that stands for other things as well.
OWN_NUMBERS = {DATASET.image_size, DATASET.image_size**2, DATASET.official.sizes["train"]}


def of_the_dataset(constant: object) -> bool:
    if isinstance(constant, str):
        return bool(OWN_WORDS.search(constant))
    return isinstance(constant, int) and constant in OWN_NUMBERS


def test_what_is_the_datasets_own_is_spelled_in_one_file_and_drawn_in_another():
    found = {
        name(file): set(filter(of_the_dataset, constants(parse(file))))
        for file in sources(*FORBIDDEN, "benchmarks")
    }
    strays = {file: spelled for file, spelled in found.items() if spelled}
    assert strays.pop("trainer_module/fashion_mnist.py")
    assert strays.pop("pipeline/data/sample_images.py") == set(DATASET.class_names)
    assert not strays


def test_no_template_spells_what_is_the_datasets_own():
    templates = sorted((CHECKOUT / "components").rglob("*.html"))
    words = re.compile(rf"{OWN_WORDS.pattern}|=\"{DATASET.image_size}\"")
    found = {name(file): words.findall(file.read_text(encoding="utf-8")) for file in templates}
    assert found
    assert not {file: spelled for file, spelled in found.items() if spelled}


def test_how_tensorflow_is_silenced_is_spelled_in_one_file():
    spelled = {
        name(file)
        for file in sources(*FORBIDDEN, "benchmarks", "tests")
        if file != Path(__file__) and any("TF_CPP" in str(one) for one in constants(parse(file)))
    }
    assert spelled == {"components/quiet.py", "tests/components/test_quiet.py"}


def test_what_a_served_model_is_asked_by_is_spelled_in_one_file():
    # Not its inputs, `examples` and `images`, which are words for other things too.
    names = {
        *(served.SERVING_DEFAULT, served.PREDICT_IMAGES, served.TRANSFORM_FEATURES),
        *(served.PROBABILITIES, served.CLASS_NAME),
    }
    found = {
        name(file): {*constants(parse(file))} & names for file in sources(*FORBIDDEN, "benchmarks")
    }
    assert {file: spelled for file, spelled in found.items() if spelled} == {
        "trainer_module/served.py": names,
        # Its last layer: another name, by which earlier versions have their weights.
        "trainer_module/model.py": {served.PROBABILITIES},
    }
