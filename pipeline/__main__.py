"""All commands under one name: `tinyvgg`, or `python -m pipeline`.

tinyvgg run …         as python -m pipeline.local_runner …
tinyvgg data …        as python -m pipeline.dataset …
tinyvgg schema …      as python -m pipeline.schema …
tinyvgg inspect …     as python -m pipeline.inspect …
tinyvgg serve …       as python -m pipeline.serving …
tinyvgg runs …        as python -m pipeline.runs …
tinyvgg engine …      as python -m pipeline.engine …
"""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from pipeline import interrupt

COMMANDS = {
    "run": ("pipeline.local_runner", "train, evaluate, and push the model if it is blessed"),
    "data": ("pipeline.dataset", "find, verify and split the data"),
    "schema": ("pipeline.schema", "see what the data has to be, and how it differs"),
    "inspect": ("pipeline.inspect", "see how good a model is, and why it was blessed or refused"),
    "serve": ("pipeline.serving", "see, check, try, pin and roll back the models that are served"),
    "runs": (
        "pipeline.runs.__main__",
        "free what nobody needs, mend what was damaged or moved",
    ),
    "engine": ("pipeline.engine.__main__", "try the engine that runs the Beam stages"),
}
"""The module of each command, and what it is for."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command that is named first, and ends the process with its exit code.

    Args:
        argv: the arguments; those of the process if None.
    """
    interrupt.leave_at_once()
    # What it imports takes a third of a second.
    from pipeline.screen import command_line

    command_line.exit_with(lambda: _run(sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    if argv and argv[0] in COMMANDS:
        module = importlib.import_module(COMMANDS[argv[0]][0])
        return module.main(argv[1:], program=f"tinyvgg {argv[0]}")
    # Whatever else it is: help, the version, or a mistake.
    from pipeline.screen.arguments import make_parser

    parser = make_parser(
        "tinyvgg",
        "From TFRecords to a served model, a command for each step.",
        epilog="`tinyvgg COMMAND --help` says more.",
    )
    for name, (_, text) in COMMANDS.items():
        parser.add_command(name, text)
    parser.parse_args(argv)
    raise AssertionError("a command that is known was not run")


if __name__ == "__main__":
    main()
