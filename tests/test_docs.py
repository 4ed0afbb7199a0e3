"""The pages' tables, commands, paths and links are held against the code and the files."""

import argparse
import importlib
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from components.model_formats.formats import FORMATS
from deploy import client
from pipeline import config, dataset, inspect, local_runner, nodes, schema, serving
from pipeline.engine import __main__ as engine
from pipeline.errors import ExitCode
from pipeline.runs import __main__ as runs
from pipeline.screen.arguments import Parser

CHECKOUT = Path(__file__).resolve().parents[1]


def read_pages() -> dict[str, str]:
    """All pages, by their path in the checkout."""
    files = [
        file
        for place in (".", "benchmarks", "docs", "schema")
        for file in (CHECKOUT / place).glob("*.md")
    ]
    return {
        file.relative_to(CHECKOUT).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(files)
    }


PAGES = read_pages()
README = PAGES["README.md"]
SETTINGS, SERVING, SCHEMA = "docs/settings.md", "docs/serving.md", "schema/README.md"
UPKEEP = "docs/upkeep.md"
INSPECTION, DESIGN = "docs/inspection.md", "docs/design.md"


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one that is as high or higher."""
    level = heading.index(" ")
    pattern = rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)"
    [found] = re.findall(pattern, PAGES[page], re.MULTILINE | re.DOTALL)
    return found


def test_the_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "schema/README.md", SETTINGS, SERVING} <= set(PAGES)


def test_the_readme_stays_short():
    assert len(README.splitlines()) < 180


def test_the_settings_name_no_knob_that_does_not_exist():
    known = {
        f"{group}.{name}" for group, knobs in config.Config().model_dump().items() for name in knobs
    }
    named = set(re.findall(r"^\| `(\w+\.\w+)` \|", "\n".join(PAGES.values()), re.MULTILINE))
    assert named == known


def test_every_exit_code_stands_in_its_table_and_no_other():
    listed = re.findall(r"^\| (\d+) \| ", section(SETTINGS, "## Commands"), re.MULTILINE)
    assert [int(code) for code in listed] == sorted(ExitCode)


def test_every_node_stands_in_the_design_and_no_other():
    rows = re.findall(r"^\| `(\w+)` \| ", section(DESIGN, "## The graph"), re.MULTILINE)
    assert sorted(rows) == sorted(nodes.NODES)


@pytest.mark.parametrize("node", nodes.NODES)
def test_every_node_stands_in_the_drawing(node):
    assert re.search(rf"[\[\"]{node}[\]\"<]", section("README.md", "## The graph"))


SCHEMA_COMMANDS = ("show", "diff", "update")
SERVING_COMMANDS = ("list", "check", "rollback", "pin", "unpin", "predict", "export", "prune")


@pytest.mark.parametrize(
    ("command", "argv", "page"),
    [
        (local_runner.main, [], SETTINGS),
        (dataset.main, ["prepare"], SETTINGS),
        (dataset.main, ["import"], "docs/data.md"),
        *((schema.main, [name], SCHEMA) for name in SCHEMA_COMMANDS),
        (inspect.main, [], INSPECTION),
        (inspect.main, ["data"], INSPECTION),
        *((serving.main, [name], SERVING) for name in SERVING_COMMANDS),
        *((runs.main, [name], UPKEEP) for name in ("prune", "repair", "adopt")),
        (engine.main, ["check"], "docs/engines.md"),
        (client.main, [], SERVING),
    ],
)
def test_every_flag_stands_on_the_page_of_its_command(command, argv, page, capsys):
    with pytest.raises(SystemExit):
        command([*argv, "--help"])
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert flags
    assert not {flag for flag in flags if not re.search(rf"[` ]{flag}\b", PAGES[page])}


def test_every_serving_command_stands_in_its_table_and_no_other(capsys):
    with pytest.raises(SystemExit):
        serving.main(["--help"])
    listed = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    assert tuple(listed) == SERVING_COMMANDS
    rows = re.findall(r"^\| (`.*?`) \| ", section(SERVING, "## Serving"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z]+)\b", row)}
    assert named == set(SERVING_COMMANDS)


def test_every_command_of_upkeep_stands_in_its_table_and_no_other(capsys):
    with pytest.raises(SystemExit):
        runs.main(["--help"])
    listed = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    rows = re.findall(r"^\| `([a-z]+)\b.*?` \| ", section(UPKEEP, "## The commands"), re.MULTILINE)
    assert listed == rows


def test_every_schema_command_stands_in_its_table_and_no_other(capsys):
    with pytest.raises(SystemExit):
        schema.main(["--help"])
    listed = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    rows = re.findall(r"^\| `([a-z]+)` \| ", section(SCHEMA, "## Looking at them"), re.MULTILINE)
    assert tuple(listed) == tuple(rows) == SCHEMA_COMMANDS


def test_every_format_stands_in_the_table_of_formats_and_no_other():
    formats = section(SERVING, "### Other formats")
    assert tuple(re.findall(r"^\|[^|]+\| `([a-z0-9-]+)` \| 0", formats, re.MULTILINE)) == tuple(
        FORMATS
    )


def test_the_flags_of_inspect_stand_in_its_section_and_no_other(capsys):
    with pytest.raises(SystemExit):
        inspect.main(["--help"])
    flags = re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
    shared = {"--root", "--serving-dir", "--dataset", "--config", "--set", "--version"}
    own = set(flags) - shared
    rows = re.findall(r"^\| (`.*?`) \| ", section(INSPECTION, "## Looking at runs"), re.MULTILINE)
    assert {flag for row in rows for flag in re.findall(r"--[a-z]+", row)} == own
    assert {"RUN", "serving", "runs"} <= {name for row in rows for name in re.findall(r"\w+", row)}


def test_the_commands_name_no_flag_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        local_runner.main(["--help"])
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"`(--[a-z][a-z-]+)", section(SETTINGS, "## Commands"))) <= known


# What the pages' placeholders may stand for.
FILLED = {
    "RUN": "2026",
    "VERSION": "1",
    "N": "1",
    "IMAGE…": "coat.png",
    "SLICING": "ink",
    "COLUMN": "recall",
    "DIR": "directory",
    "FILE": "settings.toml",
    "NAME": "sample",
    "ENGINE": "prism",
    "NODE": "Trainer",
    "SECONDS": "60",
    "GROUP.KEY=VALUE": "training.epochs=1",
    "HOST:PORT": "localhost:8501",
}

PROGRAM = re.compile(
    r"(?:\$ )?(?:\.venv/bin/)?((?:python -m [\w.]+|tinyvgg|make|tensorboard)(?: .*)?)$"
)


TABLES = {
    (INSPECTION, "## Looking at runs"): inspect,
    (SERVING, "## Serving"): serving,
    (UPKEEP, "## The commands"): runs,
    (SCHEMA, "## Looking at them"): schema,
    (SETTINGS, "## Commands"): local_runner,
}
"""Sections with tables of commands or flags, and whose they are."""


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def read_commands() -> list[str]:
    """Commands in the code blocks, in the text and in the tables of commands."""
    prose = "\n".join(without_code(text) for text in PAGES.values())
    lines = re.findall(r"^    (\S.*)$", prose, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", prose)
    found = [match[1] for text in lines + spans if (match := PROGRAM.match(text))]
    for place, module in TABLES.items():
        for cell in re.findall(r"^\| (`(?:--|[a-z]).*?`) \| ", section(*place), re.MULTILINE):
            # Flags in one cell go together; the signatures and settings are no commands.
            arguments = " ".join(re.findall(r"`(.*?)`", cell))
            if not PROGRAM.match(arguments):
                found.append(f"python -m {module.__name__} {arguments}")
    return sorted(set(found))


class ParsedError(Exception):
    """The arguments were parsed, and what follows is left out."""


@pytest.fixture
def parse(monkeypatch):
    """Lets the parser of a module take arguments, and no more."""
    for parser in (argparse.ArgumentParser, Parser):

        def parse_and_stop(self, args=None, namespace=None, take=parser.parse_args):
            take(self, args, namespace)
            raise ParsedError

        monkeypatch.setattr(parser, "parse_args", parse_and_stop)

    def parse(name: str, arguments: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", [name, *(arguments or ["--help"])])
        # What ends without having parsed ends well, by its help, or not at all.
        with pytest.raises((ParsedError, SystemExit)) as ended:
            importlib.import_module(_module(name)).main()
        assert getattr(ended.value, "code", 0) == 0, arguments

    return parse


def _module(name: str) -> str:
    """The module that is run by this name, which may be a package's."""
    return f"{name}.__main__" if (CHECKOUT / name.replace(".", "/")).is_dir() else name


def fill(command: str) -> list[str]:
    filled = {**FILLED, "FORMAT": "onnx" if " export " in command else "csv"}
    # Where the shell puts the output is not the command's.
    words = shlex.split(command.partition(" > ")[0], comments=True)
    return [filled.get(word, word) for word in words]


COMMANDS = read_commands()


def commands_of(program: str) -> list[str]:
    return [command for command in COMMANDS if command.split()[0] == program]


def test_the_pages_name_commands_of_every_kind():
    for command in (
        "python -m pipeline.local_runner",
        "python -m pipeline.inspect --compare serving --worst 3",
        "python -m pipeline.inspect --sort COLUMN --descending",
        "python -m pipeline.serving rollback VERSION",
        "python -m pipeline.local_runner --from-node NODE",
        "python -m pipeline.local_runner --set training.epochs=5",
        "python -m pipeline.local_runner --to-node SchemaGen",
        "python -m benchmarks.loaders VERSION",
        "python -m pipeline.schema diff",
        "python -m pipeline.schema update schema.pbtxt --write FILE",
        "tinyvgg serve list",
        'make run ARGS="--epochs 5"',
        "tensorboard --logdir output/artifacts",
    ):
        assert command in COMMANDS


def is_own(command: str) -> bool:
    """Whether it runs a module of the project, which is all that a test may call."""
    return (CHECKOUT / command.split()[2].partition(".")[0]).is_dir()


@pytest.mark.parametrize("command", [*filter(is_own, commands_of("python"))])
def test_command_of_the_pages_is_parsed_by_its_own_parser(command, parse, capsys):
    _, _, name, *arguments = fill(command)
    parse(name, arguments)
    files = [word for word in arguments if word.startswith("pipeline/")]
    assert all((CHECKOUT / file).is_file() for file in files)


@pytest.mark.parametrize("command", commands_of("tinyvgg"))
def test_command_of_the_package_is_parsed_by_its_own_parser(command, parse, capsys):
    _, *arguments = fill(command)
    parse("pipeline.__main__", arguments)


@pytest.mark.parametrize("command", [*itertools.filterfalse(is_own, commands_of("python"))])
def test_pip_knows_the_flags_and_the_package_its_extra(command):
    program, _, name, subcommand, *arguments = fill(command)
    assert (program, name, subcommand) == ("python", "pip", "install")
    ended = subprocess.run(
        # It installs nothing.
        [sys.executable, "-m", "pip", "install", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    flags = {word for word in arguments if word.startswith("-")}
    assert flags <= set(re.findall(r"(?<!\S)--?[a-z-]+", ended.stdout))
    [extra] = re.findall(r"^\.\[(\w+)\]$", "\n".join(set(arguments) - flags), re.MULTILINE)
    assert f'"{extra}": [' in (CHECKOUT / "setup.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", commands_of("make"))
def test_make_knows_the_target_and_passes_arguments_that_are_parsed(command, parse, capsys):
    ended = subprocess.run(
        # It says what it would do.
        ["make", "--dry-run", *fill(command)[1:]],
        cwd=CHECKOUT,
        # Not what a make that runs these tests hands on.
        env={**os.environ, "ARGS": "", "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for line in re.findall(r"python -m (pipeline\.local_runner.*)", ended.stdout):
        name, *arguments = shlex.split(line)
        parse(name, arguments)


@pytest.mark.parametrize("command", commands_of("tensorboard"))
def test_tensorboard_starts_and_knows_the_flags(command):
    ended = subprocess.run(
        [Path(sys.executable).with_name("tensorboard"), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    flags = [word for word in fill(command) if word.startswith("--")]
    assert flags
    assert set(flags) <= set(re.findall(r"--\w+", ended.stdout))


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("pipeline.serving list", 0, "No model was pushed here yet."),
        ("pipeline.inspect", 2, "has no runs"),
        ("pipeline.inspect runs", 2, "has no runs"),
        ("pipeline.runs list", 2, "has no runs"),
        ("pipeline.runs repair", 2, "has no runs"),
        ("pipeline.dataset info --dataset sample", 0, "sample: "),
    ],
)
def test_command_answers_in_an_empty_root(command, code, said, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", *command.split(), "--root", tmp_path / "root"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (code, True), ended
    assert "Traceback" not in ended.stderr


def slug(heading: str) -> str:
    """The anchor that code hosts give a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", without_code(PAGES[page]), re.MULTILINE)
    return {slug(heading) for heading in headings}


def read_links() -> list[tuple[str, str]]:
    """Each page's links and pictures that lead to files and anchors here."""
    links = set()
    for page, text in PAGES.items():
        prose = re.sub(r"`[^`\n]*`", "", without_code(text))
        for link, picture in re.findall(r"\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"", prose):
            links.add((page, link or picture))
    return sorted((page, link) for page, link in links if not re.match(r"[a-z]+:", link))


def target(page: str, link: str) -> Path:
    path = link.partition("#")[0]
    return ((CHECKOUT / page).parent / path).resolve() if path else CHECKOUT / page


@pytest.mark.parametrize(("page", "link"), read_links())
def test_link_leads_to_a_file_and_a_heading(page, link):
    file, anchor = target(page, link), link.partition("#")[2]
    assert file.exists()
    assert not anchor or anchor in anchors(file.relative_to(CHECKOUT).as_posix())


def test_every_page_and_picture_can_be_reached_by_a_link():
    linked = {target(page, link) for page, link in read_links()}
    files = {*(CHECKOUT / "docs").rglob("*.*"), *(CHECKOUT / page for page in PAGES)}
    assert not files - linked


NAMED_PATH = re.compile(
    r"`((?:\.ci|\.github|benchmarks|components|deploy|docs|pipeline|requirements|schema|tests"
    r"|trainer_module)/[\w./-]*)`"
)


def read_named_paths() -> list[str]:
    return sorted({path for text in PAGES.values() for path in NAMED_PATH.findall(text)})


def test_paths_are_named():
    assert {"pipeline/config/", "docs/", ".ci/run"} <= set(read_named_paths())


@pytest.mark.parametrize("path", read_named_paths())
def test_path_that_a_page_names_is_there(path):
    assert (CHECKOUT / path).exists()


@pytest.mark.parametrize(
    "block",
    [
        block
        for text in PAGES.values()
        for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ],
)
def test_python_of_the_pages_compiles(block):
    compile(block, "page", "exec")
