"""The serving directory: see, compare, try, pin and roll back the models that are served.

python -m pipeline.serving list               versions, and which one is live
python -m pipeline.serving check VERSION      checksums, and whether it loads and answers
python -m pipeline.serving rollback [VERSION] serve an earlier version, or one moved aside
python -m pipeline.serving pin VERSION        keep a version live, whatever is pushed
python -m pipeline.serving unpin              let the newest version be live again
python -m pipeline.serving predict IMAGE…     classify pictures with the live version
python -m pipeline.serving export VERSION --format FORMAT DIR
                                              write it as LiteRT, ONNX or Keras
python -m pipeline.serving prune --keep N     delete all but the newest versions; not what was
                                              moved aside, but with --withdrawn
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.model_formats.formats import FORMATS
from components.model_server.process import PROGRAM as SERVER_PROGRAM
from components.model_store.manifest import StoreError
from components.model_store.store import Store
from pipeline import workspace
from pipeline.errors import UserError
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import Parser, one_of, positive_number, whole_number
from pipeline.screen.command_line import Answer
from pipeline.serving_commands import checking, exporting, predicting, versions
from pipeline.serving_commands.request import Request

PROGRAM = "python -m pipeline.serving"


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs one of the commands.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code: 0, or 1 where `check` found a fault or `prune` was declined.

    Raises:
        UserError: the serving directory, a version or a picture is not as it should be.
    """
    parsed = _parse(argv, program)
    settings = arguments.load(parsed)
    place = workspace.workspace(settings.paths, settings.dataset.name)
    store = Store(place.serving_model_dir, settings.serving.server_dir)
    flags = workspace.serving_flags(settings.paths, place)
    try:
        return command_line.answer(
            lambda console: parsed.run(Request(store, parsed, settings, flags, console)),
            as_json=parsed.json,
        )
    except StoreError as error:
        raise UserError(str(error)) from error


def _add_shared_flags(parser: Parser) -> None:
    arguments.add_config_flags(parser, data=False)
    arguments.add_serving_flag(parser)
    arguments.add_json_flag(parser)


def _parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = arguments.make_parser(
        program, "Shows, checks, tries, pins and rolls back the models that are served."
    )
    _add_shared_flags(parser)
    shared = [arguments.shared_by_commands(_add_shared_flags)]

    def add(name: str, run: Callable[[Request], Answer], text: str) -> Parser:
        command = parser.add_command(name, text, parents=shared)
        command.set_defaults(run=run)
        return command

    add("list", versions.list_versions, "list the versions, and say which one is live")
    _add_check(add("check", checking.check, "compare a version's checksums, load it and call it"))
    rollback = add("rollback", versions.rollback, "make a version live, and move newer ones aside")
    _add_version(
        rollback,
        nargs="?",
        help="also one that was moved aside (default: the sound one before the live one)",
    )
    pin = add("pin", versions.pin, "keep a version live for servers that read models.config")
    _add_version(pin)
    add("unpin", versions.unpin, "let the newest version be live again")
    _add_predict(add("predict", predicting.predict, "classify pictures, PNG or JPEG of any size"))
    text = "write a version in another format, for other runtimes"
    _add_export(add("export", exporting.export_version, text))
    text = "delete old versions, but not those moved aside, and never the live or a pinned one"
    _add_prune(add("prune", versions.prune, text))
    return parser.parse_args(argv)


def _add_version(parser: Parser, **options: Any) -> None:
    parser.add_argument("version", type=whole_number, metavar="VERSION", **options)


def _add_check(parser: Parser) -> None:
    _add_version(parser)
    parser.add_argument(
        "--server",
        nargs="?",
        const="",
        metavar="PROGRAM",
        help="have TensorFlow Serving serve it on this machine too, and compare: PROGRAM, or "
        f"{SERVER_PROGRAM} on the PATH, or else its image in Docker",
    )


def _add_predict(parser: Parser) -> None:
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument(
        "--version",
        type=whole_number,
        metavar="N",
        help="the version that answers (default: the live one)",
    )
    parser.add_argument(
        "--show", action="store_true", help="draw the 28×28 pixels that the model sees"
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write these pixels as PNGs into a directory"
    )


def _add_export(parser: Parser) -> None:
    _add_version(parser)
    parser.add_argument(
        "--format",
        type=one_of(list(FORMATS)),
        required=True,
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)}: LiteRT, LiteRT with integers alone, ONNX or Keras",
    )
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="where to write; must not exist"
    )


def _add_prune(parser: Parser) -> None:
    parser.add_argument(
        "--keep",
        type=positive_number,
        required=True,
        metavar="N",
        help="how many of the newest visible ones stay",
    )
    parser.add_argument(
        "--withdrawn", action="store_true", help="delete those that were moved aside, too"
    )
    parser.add_argument("--yes", action="store_true", help="delete without asking")


if __name__ == "__main__":
    command_line.exit_with(main)
