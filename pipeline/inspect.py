"""How good a model is, class by class, what it confuses, and why it was blessed or refused.

python -m pipeline.inspect               the latest run, by class
python -m pipeline.inspect RUN           another one, by its id or the beginning of it
python -m pipeline.inspect serving       the run whose model is live
python -m pipeline.inspect runs          all runs
python -m pipeline.inspect data          what is in the data of a run, see `data_inspection`
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from pipeline import data_inspection
from pipeline.errors import ExitCode, UserError
from pipeline.runs import history, lookup
from pipeline.runs.run_result import RunResult, dump_json
from pipeline.screen import arguments, command_line, views
from pipeline.screen.arguments import one_of, positive_number
from pipeline.screen.summary import describe_verdict
from pipeline.screen.tables import Table
from pipeline.screen.views import SLICINGS
from pipeline.settings import as_toml
from pipeline.workspace import Workspace

PROGRAM = "python -m pipeline.inspect"

_RUNS = "runs"
_SHORT_COMMIT = 12

_EPILOG = """\
columns, by the names for --sort: examples, accuracy (recall, in a class), precision, f1,
auc (one class against the rest), loss (cross-entropy, nats), top_2_accuracy,
calibration_error (ECE), most_confused_with. With --compare, other_… is the other run's
figure, and change_… this run's minus the other's. A figure that there is not is a dash, is
empty in csv and null in json.

examples:
  python -m pipeline.inspect --compare serving --worst 3
  python -m pipeline.inspect --confusion --worst 10
  python -m pipeline.inspect runs --format csv > runs.csv
  python -m pipeline.inspect data --help

Exit codes: 0, or 2 for wrong use and where there is no such run or figure.
"""


@dataclass(frozen=True)
class _Tables:
    """What is shown of a run: what its rows are, its figures on all images, and the rows."""

    view: str
    overall: Table
    rows: Table


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code, 0.

    Raises:
        UserError: there is no such run, it has no such figures, or a column is unknown.
    """
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == [data_inspection.NAME]:
        return data_inspection.main(given[1:], program)
    parsed = _parse(given, program)
    if parsed.run == data_inspection.NAME:
        raise UserError(f"{data_inspection.NAME} comes first: `{program} data`, then the flags.")
    places = lookup.find_places(arguments.load(parsed))
    if parsed.run == _RUNS:
        _show_runs(places, parsed)
    else:
        _show_run(places, parsed)
    return ExitCode.OK


def _parse(argv: Sequence[str], program: str) -> argparse.Namespace:
    parser = arguments.make_parser(
        program,
        "Shows how good a run's model is on the test images, class by class or by\n"
        "another slice, what changed since another run, and why it was blessed or refused.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run's id, or the beginning of it; serving for the run whose model is live; "
        "runs for a list of all; or data for what is in the data of a run, with flags of its own "
        "(default: the latest that has ended)",
    )
    view = parser.add_mutually_exclusive_group()
    view.add_argument(
        "--by",
        type=one_of(SLICINGS),
        metavar="SLICING",
        help="what cuts the images into slices: their class (label), how much of the image is "
        "covered (ink), how bright it is (brightness), or whether the class is one of those easily "
        "confused (group) (default: label)",
    )
    view.add_argument(
        "--confusion",
        action="store_true",
        help="instead of slices, how many images of which class were taken for which other",
    )
    parser.add_argument(
        "--compare", metavar="RUN", help="beside another run's figures, or those of serving"
    )
    parser.add_argument("--sort", metavar="COLUMN", help="order the rows, the lowest first")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--descending", action="store_true", help="with --sort: the highest first")
    order.add_argument(
        "--worst",
        type=positive_number,
        metavar="N",
        help="only the N worst rows, the worst first; by --sort, or by recall, accuracy, "
        "images or their change",
    )
    arguments.add_format_flags(parser, rows="the rows")
    arguments.add_config_flags(parser, data=False)
    arguments.add_serving_flag(parser)
    return parser.parse_args(argv)


def _show_runs(places: Sequence[Workspace], parsed: argparse.Namespace) -> None:
    if parsed.by or parsed.confusion or parsed.compare:
        raise UserError("--by, --confusion and --compare look at one run: leave out `runs`.")
    results = [history.read_run(one.place.root, one.run_id) for one in lookup.find_all(places)]
    table = _arrange(views.runs(results), parsed, worst_by="accuracy")
    if parsed.format == "json":
        print(dump_json({"runs": table.to_objects()}))
    elif parsed.format == "csv":
        print(table.to_csv(), end="")
    else:
        _print_runs(command_line.make_console(), table)


def _print_runs(console: Console, table: Table) -> None:
    table.print(console)
    reasons = Grid(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in table.rows:
        why = row["why_not_pushed"]
        if isinstance(why, list) and why:
            reasons.add_row(str(row["run"]), escape("\n".join(why)))
    if reasons.rows:
        console.print("\nwhy not pushed:")
        console.print(reasons)


def _show_run(places: Sequence[Workspace], parsed: argparse.Namespace) -> None:
    found = lookup.find(places, parsed.run)
    result, other = lookup.read(found), None
    if parsed.compare:
        # The model in service is that of the same dataset.
        within = [found.place] if parsed.compare == lookup.SERVING else places
        other = lookup.read(lookup.find(within, parsed.compare))
    if result.evaluation is None:
        _print_without_figures(result, parsed.format)
    tables = _make_tables(result, other, parsed)
    if parsed.format == "csv":
        print(tables.rows.to_csv(), end="")
    elif parsed.format == "json":
        print(dump_json(_describe(result, other, tables)))
    else:
        _print(command_line.make_console(), result, other, tables)


def _make_tables(result: RunResult, other: RunResult | None, parsed: argparse.Namespace) -> _Tables:
    """Makes what is shown of a run.

    Raises:
        UserError: it, or the one to compare with, has no such figures.
    """
    slicing = None if parsed.confusion else parsed.by or SLICINGS[0]
    figures = views.require_figures(result, slicing)
    others = views.require_figures(other, slicing) if other else None
    if slicing is None:
        rows, worst_by = views.confusion(figures, others), "examples"
    else:
        rows = views.by_slice(figures, slicing, others)
        worst_by = "recall" if slicing == SLICINGS[0] else "accuracy"
    if other:
        worst_by = f"change_{worst_by}"
    return _Tables(
        view=slicing or "confusion",
        overall=views.overall(figures, others),
        rows=_arrange(rows, parsed, worst_by),
    )


def _arrange(table: Table, parsed: argparse.Namespace, worst_by: str) -> Table:
    if parsed.worst:
        return table.worst(parsed.worst, parsed.sort or worst_by)
    if parsed.sort:
        return table.sort(parsed.sort, descending=parsed.descending)
    if parsed.descending:
        raise UserError("--descending goes with --sort: name the column.")
    return table


def _print(console: Console, result: RunResult, other: RunResult | None, tables: _Tables) -> None:
    _print_heading(console, result)
    if other:
        version = f", pushed as version {other.pushed.version}" if other.pushed else ""
        _say(console, f"compared with run {escape(other.run_id)}{version}")
    console.print()
    tables.rows.print(console)
    console.print()
    tables.overall.print(console)
    console.print()
    _print_verdict(console, result)


def _print_heading(console: Console, result: RunResult) -> None:
    data = f" on {result.dataset}" if result.dataset else ""
    _say(console, f"[bold]run {escape(result.run_id)}[/]{escape(data)}")
    for line in _describe_origin(result):
        _say(console, f"[dim]{escape(line)}[/]")


def _describe_origin(result: RunResult) -> list[str]:
    """Says of what code and by which settings the run was, a line each; none of an old run."""
    lines = []
    if result.code:
        changes = "" if result.code.clean else ", with changes that were not committed"
        lines.append(f"commit {result.code.commit[:_SHORT_COMMIT]}{changes}")
    # Where the run is, who looks at it knows.
    differing = {k: one for k, one in result.settings.items() if not k.startswith("paths.")}
    if differing:
        pairs = (f"{key} = {as_toml(value)}" for key, value in differing.items())
        lines.append(f"settings other than the default: {', '.join(pairs)}")
    return lines


def _print_verdict(console: Console, result: RunResult) -> None:
    for line in describe_verdict(result):
        _say(console, line)
    if result.failure and result.evaluation:
        for line in describe_verdict(result.model_copy(update={"failure": None})):
            _say(console, line)
    for note in result.evaluation.notes if result.evaluation else ():
        _say(console, f"[dim]note: {escape(note)}[/]")
    if result.failure and result.log:
        _say(console, f"[dim]log: {escape(result.log)}[/]")


def _print_without_figures(result: RunResult, form: str) -> None:
    """Prints what there is to tell of a run that has no figures."""
    if form == "json":
        print(dump_json(_describe(result)))
    elif form == "table":
        console = command_line.make_console()
        _print_heading(console, result)
        _print_verdict(console, result)


def _describe(
    result: RunResult, other: RunResult | None = None, tables: _Tables | None = None
) -> dict[str, object]:
    """The object for JSON."""
    [run] = views.runs([result]).to_objects()
    return {
        **run,
        "duration_s": result.duration_s,
        "settings": result.settings,
        "code": result.code and result.code.model_dump(),
        "notes": result.evaluation.notes if result.evaluation else [],
        "compared_with": other and other.run_id,
        "by": tables and tables.view,
        "overall": tables and tables.overall.to_objects()[0],
        "rows": tables.rows.to_objects() if tables else [],
    }


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    command_line.exit_with(main)
