"""Tries the engine that runs the Beam stages: `python -m pipeline.engine check`.

Exit codes: 0 it can run them; 1 it can't, and a sentence says why; 2 wrong use or configuration.
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from pipeline import config, workspace
from pipeline.causes import describe_cause
from pipeline.engine.beam.arguments import (
    check_arguments,
    make_arguments,
    name_engine,
)
from pipeline.engine.beam.packaging import provide
from pipeline.engine.beam.probe import probe
from pipeline.engine.beam.reaching import check_engine
from pipeline.errors import ExitCode, UserError
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import Parser
from pipeline.screen.command_line import Answer
from pipeline.screen.tables import Column, Table

PROGRAM = "python -m pipeline.engine"

_PLACES = (
    Column("host", "worker"),
    Column("python", "Python"),
    Column("beam", "Beam"),
    Column("tfx", "TFX"),
    Column("project", "project"),
)


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code: 0, or 1 where the engine can't run the Beam stages.

    Raises:
        UserError: the configuration is not allowed, or the root can't be written.
    """
    parsed = _parse(argv, program)
    settings = arguments.load(parsed)
    return command_line.answer(lambda console: _check(settings, console), as_json=parsed.json)


def _parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = arguments.make_parser(program, "Tries the engine that runs the Beam stages.")

    def add_shared_flags(parser: Parser) -> None:
        arguments.add_config_flags(parser, data=False)
        arguments.add_engine_flag(parser)
        arguments.add_json_flag(parser)

    add_shared_flags(parser)
    parser.add_command(
        "check",
        "run a small job on it: do its workers see the root, have the project and the same "
        "versions",
        parents=[arguments.shared_by_commands(add_shared_flags)],
    )
    return parser.parse_args(argv)


def _check(settings: config.Config, console: Console) -> Answer:
    name, workers = name_engine(settings), settings.engine.workers
    root = workspace.expand(settings.paths.root)
    workspace.make_writable(root, "--root")
    document: dict[str, object] = {"engine": settings.engine.name, "root": str(root)}
    _silence_libraries()
    try:
        # First, as it is asked which arguments it takes.
        check_engine(settings.engine)
    except UserError as error:
        return _fail(console, document, str(error))
    check_arguments(settings)
    try:
        with _scratch() as directory:
            beam_args = make_arguments(settings, provide(settings, directory))
            found = probe(name, beam_args, root, workers)
    except Exception as error:
        return _fail(console, document, describe_cause(error, [root]))
    places = [vars(place) for place in found.workers]
    Table(_PLACES, places).print(console)
    _say(
        console,
        f"{name} can run the Beam stages: its workers see {root}, and a job took "
        f"{found.seconds:.1f} s.",
    )
    return Answer({**document, "workers": places, "seconds": found.seconds, "cause": None})


def _fail(console: Console, document: Mapping[str, object], cause: str) -> Answer:
    _say(console, cause)
    return Answer({**document, "workers": [], "cause": cause}, ExitCode.FAILED)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yields a directory in which Beam leaves what it does not remove, and which goes with it."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="engine-") as directory:
        tempfile.tempdir = directory
        try:
            yield Path(directory)
        finally:
            tempfile.tempdir = before


def _silence_libraries() -> None:
    """Keeps off the screen what Beam, gRPC and Google's libraries print beside their errors."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Of workers that are processes.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    command_line.exit_with(main)
