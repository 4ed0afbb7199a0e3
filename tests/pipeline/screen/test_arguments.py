import argparse
from pathlib import Path

import pytest

import pipeline
from deploy import client
from pipeline import config, dataset, inspect, local_runner, presets, serving
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.screen import arguments
from pipeline.screen.arguments import Parser
from trainer_module.code_version import CodeVersion


def parse(*argv: str) -> argparse.Namespace:
    parser = Parser()
    arguments.add_config_flags(parser)
    return parser.parse_args(argv)


def test_without_flags_the_configuration_is_the_default():
    assert arguments.load(parse()) == config.Config()


def test_each_flag_sets_its_setting():
    settings = arguments.load(
        parse("--root", "r", "--data-dir", "d", "--dataset", "sample", "--set", "model.dropout=0.5")
    )
    assert settings.paths.root == Path("r")
    assert settings.dataset.dir == Path("d")
    assert settings.dataset.name == "sample"
    assert settings.model.dropout == 0.5


def test_set_may_be_given_more_than_once():
    settings = arguments.load(parse("--set", "training.epochs=2", "--set", "training.seed=3"))
    assert (settings.training.epochs, settings.training.seed) == (2, 3)


def test_flags_win_over_set_and_set_over_the_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[paths]\nroot = 'file'\n[dataset]\nname = 'auto'\nseed = 1\n")
    parsed = parse(
        *("--config", str(file), "--root", "flag"),
        *("--set", "paths.root=set", "--set", "dataset.name=sample"),
    )
    settings = arguments.load(parsed)
    assert settings.paths.root == Path("flag")
    assert (settings.dataset.name, settings.dataset.seed) == ("sample", 1)


def test_a_commands_own_flags_count_where_they_were_given():
    own = {"training.epochs": 7, "paths.serving_dir": None}
    settings = arguments.load(parse("--set", "paths.serving_dir=s"), **own)
    assert settings.training.epochs == 7
    assert settings.paths.serving_dir == Path("s")


def test_a_dataset_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(UserError, match=r"dataset\.name = \"x\".*'fashion_mnist' or 'sample'"):
        arguments.load(parse("--dataset", "x"))


def test_help_names_the_defaults(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert f"(default: {config.Config().paths.root})" in text
    assert f"(default: {config.Config().dataset.name})" in text


def test_a_preset_is_named_or_a_file():
    named = arguments.load(parse("--config", "smoke"))
    assert named == load_config(presets.find("smoke")) != config.Config()
    assert arguments.load(parse("--config", str(presets.find("smoke")))) == named


def add_shared(parser):
    arguments.add_config_flags(parser)
    arguments.add_json_flag(parser)


def parse_command(*argv: str) -> argparse.Namespace:
    parser = Parser(prog="program")
    add_shared(parser)
    shared = [arguments.shared_by_commands(add_shared)]
    parser.add_command("list", "list them", parents=shared)
    parser.add_command("show", "show one", parents=shared).add_argument("--size", default="s")
    return parser.parse_args(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--root", "r", "--json", "--set", "training.epochs=2", "show"],
        ["show", "--root", "r", "--json", "--set", "training.epochs=2"],
        ["--json", "--root", "r", "show", "--set", "training.epochs=2"],
    ],
)
def test_shared_flags_stand_before_or_behind_the_command(argv):
    parsed = parse_command(*argv)
    assert (parsed.command, parsed.json, parsed.size) == ("show", True, "s")
    settings = arguments.load(parsed)
    assert (settings.paths.root, settings.training.epochs) == (Path("r"), 2)


def test_what_stands_behind_the_command_counts_for_more():
    parsed = parse_command(
        *("--root", "a", "--set", "training.epochs=2", "--set", "training.seed=2"),
        *("list", "--root", "b", "--set", "training.epochs=3"),
    )
    settings = arguments.load(parsed)
    assert settings.paths.root == Path("b")
    assert (settings.training.epochs, settings.training.seed) == (3, 2)


def test_shared_flags_that_are_not_given_are_the_default():
    parsed = parse_command("list")
    assert arguments.load(parsed) == config.Config()
    assert parsed.json is False


COMMANDS = {
    "local_runner": local_runner.main,
    "dataset": dataset.main,
    "inspect": inspect.main,
    "serving": serving.main,
    "client": client.main,
}


@pytest.mark.parametrize(
    ("command", "argv", "sentence"),
    [
        (
            "local_runner",
            ["--epochs", "x"],
            "--epochs takes a whole number, and got 'x'; see --help.",
        ),
        ("local_runner", ["--epochs"], "--epochs takes a value; see --help."),
        ("local_runner", ["--epoch", "5"], "There is no flag --epoch: did you mean --epochs?"),
        ("local_runner", ["--zzz"], "There is no flag --zzz; see --help."),
        ("local_runner", ["-x"], "There is no flag -x; see --help."),
        ("local_runner", ["--epoch=5"], "There is no flag --epoch: did you mean --epochs?"),
        ("local_runner", ["--json=5"], "--json takes no value, and got '5'; see --help."),
        ("local_runner", ["x"], "'x' is one argument too many; see --help."),
        (
            "local_runner",
            ["--to-node", "Trainr"],
            "--to-node can't be 'Trainr': did you mean Trainer?",
        ),
        ("local_runner", ["--to-node", "Oven"], "--to-node can't be 'Oven': see --help."),
        ("serving", [], "COMMAND is missing; see --help."),
        ("serving", ["lst"], "There is no command 'lst': did you mean list?"),
        ("serving", ["zzz"], "There is no command 'zzz': see --help."),
        ("serving", ["check"], "VERSION is missing; see --help."),
        ("serving", ["check", "x"], "VERSION takes a whole number, and got 'x'; see --help."),
        ("serving", ["list", "--rot", "r"], "There is no flag --rot: did you mean --root?"),
        ("serving", ["list", "x"], "'x' is one argument too many; see --help."),
        ("serving", ["predict"], "IMAGE is missing; see --help."),
        (
            "serving",
            ["prune", "--keep", "0"],
            "--keep takes a whole number from 1 on, and got '0'; see --help.",
        ),
        (
            "serving",
            ["export", "1", "d", "--format", "onx"],
            "--format can't be 'onx': did you mean onnx?",
        ),
        (
            "dataset",
            ["zzz"],
            "There is no command 'zzz': there are prepare, info, quarantine, import, demo-spans.",
        ),
        ("inspect", ["--json", "--format", "csv"], "--format does not go with --json; see --help."),
        (
            "inspect",
            ["--by", "zzz"],
            "--by can't be 'zzz': there are label, ink, brightness, group.",
        ),
        (
            "inspect",
            ["--worst", "0"],
            "--worst takes a whole number from 1 on, and got '0'; see --help.",
        ),
        (
            "client",
            ["x.png", "--label", "zzz"],
            "--label can't be 'zzz': there are live, previous.",
        ),
        ("client", ["--grcp", "x.png"], "There is no flag --grcp: did you mean --grpc?"),
    ],
)
def test_wrong_use_is_one_sentence(command, argv, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        COMMANDS[command](argv)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"error: {sentence}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_its_version_and_commit(command, capsys, monkeypatch):
    version = CodeVersion("0123abcd" * 5, clean=False)
    monkeypatch.setattr(arguments, "find_code_version", lambda: version)
    with pytest.raises(SystemExit) as ended:
        COMMANDS[command](["--version"])
    assert not ended.value.code
    expected = f"tinyvgg {pipeline.__version__}, commit {version.commit} with changes\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("version", "said"), [(None, ""), (CodeVersion("0" * 40, clean=True), f", commit {'0' * 40}")]
)
def test_the_version_names_no_commit_or_changes_that_there_are_not(
    version, said, capsys, monkeypatch
):
    monkeypatch.setattr(arguments, "find_code_version", lambda: version)
    with pytest.raises(SystemExit):
        serving.main(["--version"])
    assert capsys.readouterr().out == f"tinyvgg {pipeline.__version__}{said}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_command_as_it_was_called(command, capsys):
    with pytest.raises(SystemExit):
        COMMANDS[command](["--help"], program="another name")
    assert capsys.readouterr().out.startswith("usage: another name [-h]")
