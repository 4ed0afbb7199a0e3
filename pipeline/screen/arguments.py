"""What commands have in common on their command line: flags, and errors of one sentence."""

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pipeline
from pipeline import config, presets
from pipeline.config.running import ENGINES
from pipeline.errors import ExitCode
from trainer_module import features
from trainer_module.code_version import find_code_version

_MORE_ASSIGNMENTS = "more_assignments"

_SENTENCES = (
    (r"argument (.+?): expected one argument", r"\1 takes a value"),
    (r"argument (.+?): expected at least one argument", r"\1 takes at least one value"),
    (r"argument (.+?): ignored explicit argument (.+)", r"\1 takes no value, and got \2"),
    (r"argument (.+?): not allowed with argument (.+)", r"\1 does not go with \2"),
    (r"the following arguments are required: (.+)", r"\1 is missing"),
    # What a type of ours refused.
    (r"argument (.+?): (.+)", r"\1 \2"),
)
"""What argparse says, and what a person is told instead."""

_INVALID_COMMAND = re.compile(r"argument COMMAND: invalid choice: '?(.+?)'? \(")

_FEW = 5
"""So many names are told in a sentence; more of them are in the help."""

_FORMATS = ("table", "json", "csv")
"""In which an answer by rows is given."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong, with the nearest name that there is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Takes what argparse's own does; flags are not abbreviated, so that one may be added."""
        super().__init__(*args, **{"allow_abbrev": False, **options})
        self.commands: argparse._SubParsersAction[Parser] | None = None

    def _add_commands(self) -> "argparse._SubParsersAction[Parser]":
        """Makes it a parser of subcommands, whose name goes to `command`."""
        return self.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add_command(self, name: str, text: str, **options: Any) -> "Parser":
        """Adds a subcommand.

        Args:
            name: what is typed.
            text: what it does, for the list of them and for its own help.
            options: further ones of `add_parser`.
        """
        description = f"{text[0].upper()}{text[1:]}."
        self.commands = self.commands or self._add_commands()
        return self.commands.add_parser(name, help=text, description=description, **options)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parses all arguments, and ends the process where one is not known."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            chosen = self.commands.choices[parsed.command] if self.commands else self
            chosen.error(chosen._describe_unknown(unknown[0]))
        return parsed

    def error(self, message: str) -> NoReturn:
        """Ends the process with a sentence made of argparse's message."""
        invalid = _INVALID_COMMAND.match(message)
        if invalid and self.commands:
            hint = _hint(invalid[1], list(self.commands.choices))
            sentence = f"There is no command {invalid[1]!r}: {hint}"
        else:
            sentence = _say(message)
        end = "" if sentence.endswith((".", "?")) else "; see --help."
        self.exit(int(ExitCode.USAGE), f"error: {sentence}{end}\n")

    def _describe_unknown(self, argument: str) -> str:
        flag = argument.partition("=")[0]
        if not flag.startswith("-"):
            return f"{argument!r} is one argument too many"
        flags = re.findall(r"(?<![\w-])--[a-z][a-z-]*", self.format_help())
        close = difflib.get_close_matches(flag, flags, n=1)
        return f"There is no flag {flag}" + (f": did you mean {close[0]}?" if close else "")


def _say(message: str) -> str:
    for pattern, sentence in _SENTENCES:
        if re.fullmatch(pattern, message, re.DOTALL):
            message = re.sub(pattern, sentence, message, flags=re.DOTALL)
            break
    return message[0].upper() + message[1:]


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(known)}." if len(known) <= _FEW else "see --help."


class _Version(argparse.Action):
    """Prints the version, and the commit where there is one; only then is Git asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        code = find_code_version()
        commit = f", commit {code.commit}" if code else ""
        changes = " with changes" if code and not code.clean else ""
        print(f"tinyvgg {pipeline.__version__}{commit}{changes}")
        parser.exit()


def make_parser(program: str, description: str, **options: Any) -> Parser:
    """Makes the parser of a command, with `--version`.

    Args:
        program: how it is called, for its help.
        description: what it does.
        options: further ones of `argparse.ArgumentParser`.
    """
    parser = Parser(prog=program, description=description, **options)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version, and end")
    return parser


def shared_by_commands(add: Callable[[Parser], None]) -> Parser:
    """Makes a parent of subcommands, for flags that may stand before the subcommand as well.

    Args:
        add: adds the flags to a parser; to be called with the parser of the command, too.
    """
    # What is not given behind the subcommand stays as it was given before it.
    shared = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    add(shared)
    return shared


def add_config_flags(parser: Parser, *, data: bool = True) -> None:
    """Adds the flags that make up the configuration; `load` reads them.

    Args:
        parser: of a command.
        data: whether the command reads the data, and so takes the flag that says where it is.
    """
    group = parser.add_argument_group("configuration")
    group.add_argument(
        "--root", type=Path, metavar="DIR", help="where a run puts what it makes (default: output)"
    )
    if data:
        group.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help="the official files, a TensorFlow Datasets directory, or TFRecords of your own "
            f"(default: ${features.DATASET.variable}, data/, "
            f"../shared/{features.DATASET.shared_directory}, then download)",
        )
    group.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"{config.AUTO}, {features.DATASET.name} (never falls back) or {config.SAMPLE} "
        f"(generated) (default: {config.AUTO})",
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        help=f"a TOML file of settings, or a preset: {', '.join(presets.names())}",
    )
    shared = parser.argument_default is argparse.SUPPRESS
    group.add_argument(
        "--set",
        action="append",
        metavar="GROUP.KEY=VALUE",
        # Those before a subcommand and those behind it are kept apart, as the latter come later.
        dest=_MORE_ASSIGNMENTS if shared else "assignments",
        help="one setting, as in TOML; may be given more than once",
    )


def add_serving_flag(parser: Parser) -> None:
    """Adds the flag that says where blessed models go."""
    parser.add_argument(
        "--serving-dir",
        type=Path,
        metavar="DIR",
        help="where blessed models go (default: serving in the root)",
    )


def add_engine_flag(parser: Parser) -> None:
    """Adds the flag that says which engine runs the Beam stages."""
    parser.add_argument(
        "--engine",
        type=one_of(ENGINES),
        metavar="ENGINE",
        help=f"what runs the Beam stages, by the settings of engine: {', '.join(ENGINES)} "
        "(default: local)",
    )


def add_json_flag(parser: Parser) -> None:
    """Adds the flag for an answer that is read by programs."""
    parser.add_argument(
        "--json", action="store_true", help="print the result as one object on standard output"
    )


def add_format_flags(parser: Parser, rows: str) -> None:
    """Adds the flags for an answer that is read by a person or by programs, as `format`.

    Args:
        parser: of a command that can answer by rows.
        rows: what they are, for the help.
    """
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--format",
        type=one_of(_FORMATS),
        default="table",
        metavar="FORMAT",
        help=f"table, csv ({rows}) or json (everything as one object) (default: table)",
    )
    form.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )


def load(arguments: argparse.Namespace, **flags: object) -> config.Config:
    """Builds the configuration from the flags, and from further ones by `group.key`.

    Raises:
        UserError: a key or a value is not allowed, or there is no such preset.
    """
    values = {
        "paths.root": arguments.root,
        "engine.name": getattr(arguments, "engine", None),
        "paths.serving_dir": getattr(arguments, "serving_dir", None),
        "dataset.dir": getattr(arguments, "data_dir", None),
        "dataset.name": arguments.dataset,
    }
    file = None if arguments.config is None else presets.find(arguments.config)
    assignments = [*(arguments.assignments or ()), *getattr(arguments, _MORE_ASSIGNMENTS, ())]
    return config.load_config(file, assignments, {**values, **flags})


def whole_number(text: str) -> int:
    """Reads the value of a flag that is a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes a whole number, and got {text!r}") from None


def positive_number(text: str) -> int:
    """Reads the value of a flag that is a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 on, and got {text!r}")
    return int(text)


def positive_seconds(text: str) -> float:
    """Reads the value of a flag that is a time above 0, in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    # Nor what is no number, or has no end.
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"takes a number of seconds, and got {text!r}")
    return seconds


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Makes what reads the value of a flag that is one of these names."""

    def read(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"can't be {text!r}: {_hint(text, names)}")
        return text

    return read
