"""The curated schemas: what they ask of the data, and how the data differs.

python -m pipeline.schema show           what they ask for, feature by feature
python -m pipeline.schema diff           what the newest run found in the data, beside that
python -m pipeline.schema update         propose one that takes the data
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline import workspace
from pipeline.curation import comparing, curated, describing, evidence, proposing
from pipeline.curation.curated import CURATED, Curated
from pipeline.curation.describing import Description
from pipeline.curation.evidence import Evidence
from pipeline.errors import ExitCode, UserError
from pipeline.runs import lookup
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import one_of
from pipeline.screen.command_line import Answer

PROGRAM = "python -m pipeline.schema"

_DIFF_EPILOG = """\
Exit codes: 0 where the data keeps to the schemas, 1 where it is outside of one, 2 for wrong use
and where there is no run to compare with."""


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command `show`, `diff` or `update`.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code: 0, or 1 where `diff` found data outside of a schema.

    Raises:
        UserError: a schema can't be read, there is no run to compare with, or the proposal can't
            be written.
    """
    parsed = _parse(argv, program)
    return command_line.answer(lambda console: parsed.run(parsed, console), as_json=parsed.json)


def _parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = arguments.make_parser(
        program, "Shows the curated schemas, and compares them with what a run found in the data."
    )
    arguments.add_json_flag(parser)
    shared = [arguments.shared_by_commands(arguments.add_json_flag)]
    show = parser.add_command("show", "show what they ask for, feature by feature", parents=shared)
    diff = parser.add_command(
        "diff",
        "compare them with what a run found in the data",
        parents=shared,
        epilog=_DIFF_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    update = parser.add_command(
        "update", "propose changes by which they take the data, and change nothing", parents=shared
    )
    for command, run in ((show, _show), (diff, _diff), (update, _update)):
        command.set_defaults(run=run)
        command.add_argument(
            "schema",
            nargs="?",
            type=one_of(tuple(CURATED)),
            metavar="SCHEMA",
            help=f"{' or '.join(CURATED)} (default: all)",
        )
    for command in (diff, update):
        arguments.add_config_flags(command, data=False)
        command.add_argument(
            "--run",
            # `run` is what the command runs.
            dest="run_id",
            metavar="RUN",
            help="a run's id, or the beginning of it; serving for the run whose model is live "
            "(default: the newest that got far enough)",
        )
    update.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="write the schema that is proposed for SCHEMA into a new file",
    )
    return parser.parse_args(argv)


def _chosen(parsed: argparse.Namespace) -> list[Curated]:
    return [CURATED[parsed.schema]] if parsed.schema else list(CURATED.values())


def _show(parsed: argparse.Namespace, console: Console) -> Answer:
    document: dict[str, object] = {}
    for one in _chosen(parsed):
        schema = curated.read(one.file)
        described = {
            feature.name: describing.describe(feature, schema) for feature in schema.feature
        }
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for heading in ("feature", "type", "present in", "values", "bounds", "numbers"):
            table.add_column(heading)
        for name, said in described.items():
            cells = (said.type, said.present, said.values, said.bounds, said.numbers)
            table.add_row(*map(escape, (name, *cells)))
        _print_section(console, one, f", {one.what}", table, first=not document)
        _print_names(console, described)
        document[one.name] = {
            "file": str(one.file),
            "features": {name: asdict(said) for name, said in described.items()},
        }
    return Answer({"schemas": document})


def _print_names(console: Console, described: Mapping[str, Description]) -> None:
    for feature, said in described.items():
        if said.names:
            numbered = said.type == describing.name_type(schema_pb2.INT)
            names = (f"{n} {name}" if numbered else name for n, name in enumerate(said.names))
            console.print(f"\n{feature} is one of:", markup=False, highlight=False)
            console.print(Columns(map(escape, names), padding=(0, 2)), highlight=False)


def _print_section(
    console: Console, one: Curated, what: str, content: object, *, first: bool
) -> None:
    if not first:
        console.print()
    console.print(f"[bold]{one.name}[/]{escape(what)}", soft_wrap=True, highlight=False)
    console.print(content, highlight=False)


def _find_evidence(parsed: argparse.Namespace) -> list[tuple[Curated, Evidence | None]]:
    """Finds for each schema what it is held against.

    Raises:
        UserError: there is nothing for any of them.
    """
    chosen = _chosen(parsed)
    places = lookup.find_places(arguments.load(parsed))
    found = [(one, evidence.find(places, parsed.run_id, one)) for one in chosen]
    if not any(known for _, known in found):
        which = f"the run {parsed.run_id}" if parsed.run_id else "any run"
        node = chosen[0].last_node
        raise UserError(
            f"There is no output of {node} of {which} in {places[0].root} to compare "
            f"{chosen[0].name} with: run `python -m pipeline.local_runner --to-node {node}`."
        )
    return found


def _note_left_out(console: Console, one: Curated) -> None:
    text = f"{one.name} was left out: there is no output of {one.last_node} to compare it with"
    console.print(f"[dim]note: {text}[/]", soft_wrap=True, highlight=False)


def _diff(parsed: argparse.Namespace, console: Console) -> Answer:
    document: dict[str, object] = {}
    code = ExitCode.OK
    for one, known in _find_evidence(parsed):
        if known is None:
            _note_left_out(console, one)
            document[one.name] = None
            continue
        differences = comparing.compare(curated.read(one.file), known.schema)
        if any(difference.outside for difference in differences):
            code = ExitCode.FAILED
        _print_section(
            console,
            one,
            f" and {one.what} of run {known.run.run_id} in {known.run.place.root}",
            _make_diff_table(differences) if differences else "no difference",
            first=not document,
        )
        document[one.name] = {
            "run": known.run.run_id,
            "root": str(known.run.place.root),
            "differences": [asdict(difference) for difference in differences],
        }
    return Answer({"schemas": document}, code)


def _make_diff_table(differences: Sequence[comparing.Difference]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("", "feature", "what", "the schema asks for", "the data has"):
        table.add_column(heading)
    for one in differences:
        mark = "outside" if one.outside else "within"
        cells = map(escape, (one.feature, one.what, one.curated, one.data))
        table.add_row(mark, *cells, style="red" if one.outside else "dim")
    return table


def _update(parsed: argparse.Namespace, console: Console) -> Answer:
    if parsed.write and not parsed.schema:
        raise UserError(f"--write takes one schema: name {' or '.join(CURATED)} before it.")
    file = workspace.expand(parsed.write) if parsed.write else None
    if file:
        proposing.check_new(file)
    document: dict[str, object] = {}
    found = _find_evidence(parsed)
    print("loading TensorFlow Data Validation, which takes some seconds …", file=sys.stderr)
    for one, known in found:
        if known is None:
            _note_left_out(console, one)
            document[one.name] = None
            continue
        document[one.name] = _propose(one, known, file, console)
    return Answer({"schemas": document})


def _propose(
    one: Curated, known: Evidence, file: Path | None, console: Console
) -> dict[str, object]:
    text = curated.read_text(one.file)
    before = curated.parse(text, one.file)
    after = proposing.widen(before, known.statistics.values())
    proposed = proposing.write_text(after, text)
    changes = proposing.unified_diff(text, proposed, one.name) if after != before else []
    if not changes:
        line = f"{one.name} takes the data of run {known.run.run_id} as it is: nothing to propose"
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    for line in changes:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    given_up = proposing.find_given_up(before, after)
    for name in given_up:
        note = f"note: {name} would no longer be asked for: if it is needed, mend the data instead"
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    written = file if changes else None
    if written:
        proposing.save(proposed, written)
        console.print(f"written: {written}", soft_wrap=True, markup=False, highlight=False)
    return {
        "run": known.run.run_id,
        "root": str(known.run.place.root),
        "diff": changes,
        "given_up": given_up,
        "written": str(written) if written else None,
    }


if __name__ == "__main__":
    command_line.exit_with(main)
