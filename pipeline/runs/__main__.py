"""Keeps a root in order: lists its runs, frees what nobody needs, mends what was damaged or moved.

python -m pipeline.runs list             all runs, as `python -m pipeline.inspect runs`
python -m pipeline.runs show [RUN]       one run, as `python -m pipeline.inspect`
python -m pipeline.runs prune --keep 50  delete what only older runs need
python -m pipeline.runs repair           restore a damaged metadata.db
python -m pipeline.runs adopt            take over a root that was moved or copied
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from components.model_store.manifest import StoreError
from pipeline import inspect, workspace
from pipeline.errors import ExitCode, UserError
from pipeline.runs import database, lookup
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import Parser, positive_number
from pipeline.screen.command_line import Answer
from pipeline.screen.tables import Column, Table, Value
from pipeline.upkeep import adoption, pruning, repair
from pipeline.workspace import Workspace

PROGRAM = "python -m pipeline.runs"

_VIEWS = {"list": ["runs"], "show": []}
"""What `inspect` shows, and how it is asked for it."""

_MB = 1e6

_HEAPS = (Column("what", "what"), Column("count", "count", ",d"), Column("mb", "MB", ",.1f"))

Command = Callable[[Workspace, argparse.Namespace, Console], Answer]


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code: 0, or 1 where nothing was done as it was declined.

    Raises:
        UserError: there is no such root, a run is using it, or it can't be read or written.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _, rest = arguments.shared_by_commands(_add_shared_flags).parse_known_args(words)
    if rest and rest[0] in _VIEWS:
        words.remove(rest[0])
        return inspect.main([*_VIEWS[rest[0]], *words], f"{program} {rest[0]}")
    parsed = _parse(words, program)
    place = _find_place(parsed)
    return command_line.answer(
        lambda console: _run(parsed.run, place, parsed, console), as_json=parsed.json
    )


def _add_shared_flags(parser: Parser) -> None:
    arguments.add_config_flags(parser, data=False)
    arguments.add_serving_flag(parser)
    arguments.add_json_flag(parser)


def _parse(argv: Sequence[str], program: str) -> argparse.Namespace:
    parser = arguments.make_parser(
        program, "Lists the runs in a root, frees what nobody needs, and mends what was damaged."
    )
    _add_shared_flags(parser)
    shared = [arguments.shared_by_commands(_add_shared_flags)]

    def add(name: str, run: Command, text: str) -> Parser:
        command = parser.add_command(name, text, parents=shared)
        command.set_defaults(run=run)
        return command

    parser.add_command("list", "list all runs; takes what `inspect runs` takes")
    parser.add_command("show", "show a run's figures; takes what `inspect` takes")
    text = "delete what only older runs need, and never what is served or may be again"
    prune = add("prune", _prune, text)
    prune.add_argument(
        "--keep",
        type=positive_number,
        required=True,
        metavar="N",
        help="how many of the last runs keep all that they made; of the others, the page and the "
        "figures stay",
    )
    text = "restore a damaged metadata.db from its copy, or begin a new one beside it"
    for command in (prune, add("repair", _repair, text)):
        sure = command.add_mutually_exclusive_group()
        sure.add_argument("--dry-run", action="store_true", help="say what would be done, and end")
        sure.add_argument("--yes", action="store_true", help="do it without asking")
    add("adopt", _adopt, "mend the paths of a root that was moved or copied, and list its runs")
    return parser.parse_args(argv)


def _find_place(parsed: argparse.Namespace) -> Workspace:
    """The pipeline that is meant: the first that has begun, where no dataset is named."""
    places = lookup.find_places(arguments.load(parsed))
    for place in places:
        if workspace.runs(place.root).is_dir() or place.metadata.exists():
            return place
    raise UserError(f"{places[0].root} has no runs: name the --root of one.")


def _run(
    command: Command, place: Workspace, parsed: argparse.Namespace, console: Console
) -> Answer:
    with _guarded(place), workspace.lock(place.root):
        return command(place, parsed, console)


@contextmanager
def _guarded(place: Workspace) -> Iterator[None]:
    """Says in a sentence what a file, the serving directory or the database refused."""
    try:
        yield
    except StoreError as error:
        raise UserError(str(error)) from error
    except sqlite3.Error as error:
        raise UserError(database.explain(error).describe(place.metadata)) from error
    except OSError as error:
        raise UserError(
            f"{error.filename or place.root} can't be read or written ({error.strerror}): mend "
            "that, and run the command again."
        ) from error


def _prune(place: Workspace, parsed: argparse.Namespace, console: Console) -> Answer:
    database.check(place.metadata)
    found = pruning.plan(place, parsed.keep)
    rows: list[dict[str, Value]] = [
        {"what": heap.what, "count": len(heap.paths), "mb": heap.size / _MB} for heap in found.heaps
    ]
    document = {
        "root": str(place.root),
        "kept_runs": list(found.kept),
        "heaps": rows,
        "mb": found.size / _MB,
    }
    if not rows:
        _say(console, f"{place.root} has nothing that nobody needs.")
        return Answer({**document, "done": True})
    Table(_HEAPS, rows).print(console)
    question = f"Delete these {found.size / _MB:,.1f} MB in {place.root}?"
    done = _may(parsed, console, question)
    if done:
        pruning.prune(place, found)
        _say(console, f"Deleted {found.size / _MB:,.1f} MB.")
    return _answer(document, parsed, done=done)


def _repair(place: Workspace, parsed: argparse.Namespace, console: Console) -> Answer:
    found = repair.plan(place)
    told = found.describe(place)
    _say(console, told)
    document = {"root": str(place.root), "way": found.way, "told": told, "aside": None}
    if found.way == "nothing":
        return Answer({**document, "done": True})
    done = _may(parsed, console, "Do that?")
    if done:
        aside = repair.repair(place, found)
        document["aside"] = str(aside)
        _say(console, f"Done; what was damaged is in {aside}.")
    return _answer(document, parsed, done=done)


def _adopt(place: Workspace, parsed: argparse.Namespace, console: Console) -> Answer:
    adopted = adoption.adopt(place)
    for note in adopted.notes:
        _say(console, note)
    _say(console, f"{place.root} is in order; results written: {len(adopted.runs)}.")
    return Answer(
        {"root": str(place.root), "notes": list(adopted.notes), "results": list(adopted.runs)}
    )


def _may(parsed: argparse.Namespace, console: Console, question: str) -> bool:
    """Whether to go on, which a person is asked who has not said so."""
    if parsed.dry_run or parsed.yes:
        return bool(parsed.yes)
    if parsed.json or not sys.stdin.isatty():
        raise UserError(
            f"{parsed.command} asks before it changes anything: give --yes, or --dry-run, where "
            "nobody can answer."
        )
    answer = console.input(f"{question} [y/N] ", markup=False)
    return answer.strip().lower() in ("y", "yes")


def _answer(document: Mapping[str, object], parsed: argparse.Namespace, *, done: bool) -> Answer:
    declined = not done and not parsed.dry_run
    return Answer({**document, "done": done}, ExitCode.FAILED if declined else ExitCode.OK)


def _say(console: Console, text: str) -> None:
    console.print(escape(text), soft_wrap=True, highlight=False)


if __name__ == "__main__":
    command_line.exit_with(main)
