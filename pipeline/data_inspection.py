"""What is in the data of a run: classes, ink and brightness, what the gate found, what drifted.

python -m pipeline.inspect data          the latest run's
python -m pipeline.inspect data RUN      another one's
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.markup import escape

from components.image_statistics.description import Measured
from pipeline.errors import ExitCode, UserError
from pipeline.runs import lookup, run_data
from pipeline.runs.run_data import RunData
from pipeline.runs.run_result import dump_json
from pipeline.screen import arguments, command_line, data_views, histograms
from pipeline.screen.arguments import whole_number
from pipeline.screen.summary import describe_verdict
from pipeline.screen.tables import plain
from pipeline.workspace import Workspace

NAME = "data"

_BAR = 3
"""The width of a bucket, in characters."""

_EPILOG = """\
examples:
  python -m pipeline.inspect data --span 4 --compare 3
  python -m pipeline.inspect data --format csv > data.csv

Exit codes: 0, or 2 for wrong use and where there is no such run or span.
"""


@dataclass(frozen=True)
class _Line:
    """A histogram with what stands before and behind it."""

    label: str
    measured: Measured
    change: str = ""


def main(argv: Sequence[str], program: str) -> int:
    """Runs the command.

    Args:
        argv: the arguments behind `data`.
        program: how `inspect` is called, for the help.

    Returns:
        The exit code, 0.

    Raises:
        UserError: there is no such run or span, or what it found can't be read.
    """
    parsed = _parse(argv, f"{program} {NAME}")
    places = lookup.find_places(arguments.load(parsed))
    data, other = _read(places, parsed), None
    if parsed.compare is not None:
        other = run_data.read(run_data.find_span(places, parsed.compare))
    if parsed.format == "csv":
        table = data_views.rows(data.splits, other.splits if other else None)
        print(table.to_csv(), end="")
    elif parsed.format == "json":
        print(dump_json(_describe(data, other)))
    else:
        _print(command_line.make_console(), data, other)
    return ExitCode.OK


def _parse(argv: Sequence[str], program: str) -> argparse.Namespace:
    parser = arguments.make_parser(
        program,
        "Shows what is in the data of a run: the classes, how much of the images is covered\n"
        "and how bright they are, what the data gate found, and how far splits and spans\n"
        "are apart.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run's id, or the beginning of it; serving for the run whose model is live "
        "(default: the latest that has ended)",
    )
    parser.add_argument(
        "--span",
        type=whole_number,
        metavar="N",
        help="instead of RUN, the newest run whose data was span N",
    )
    parser.add_argument(
        "--compare",
        type=whole_number,
        metavar="N",
        help="beside the data of the newest run on span N, with the change since",
    )
    arguments.add_format_flags(parser, rows="a row for each class and bucket")
    arguments.add_config_flags(parser, data=False)
    arguments.add_serving_flag(parser)
    return parser.parse_args(argv)


def _read(places: Sequence[Workspace], parsed: argparse.Namespace) -> RunData:
    if parsed.span is None:
        return run_data.read(lookup.find(places, parsed.run))
    if parsed.run:
        raise UserError("--span finds a run by its data: leave out RUN, or --span.")
    return run_data.read(run_data.find_span(places, parsed.span))


def _describe(data: RunData, other: RunData | None) -> dict[str, object]:
    """The object for JSON."""
    name = _name_span(other) if other else ""
    return {
        **_describe_run(data),
        "findings": None if data.findings is None else [asdict(one) for one in data.findings],
        "distances": data_views.distances(data, other, name).to_objects(),
        "compared_with": other and _describe_run(other),
    }


def _describe_run(data: RunData) -> dict[str, object]:
    return {
        "run": data.result.run_id,
        "dataset": data.result.dataset,
        "verdict": data.result.verdict.label,
        "span": data.span,
        "version": data.version,
        "splits": {split: asdict(one) for split, one in data.splits.items()},
    }


def _print(console: Console, data: RunData, other: RunData | None) -> None:
    on = f" on {data.result.dataset}" if data.result.dataset else ""
    _say(console, f"[bold]run {escape(data.result.run_id)}[/]{escape(on)}")
    if data.span is not None:
        _say(console, f"[dim]{_name_edition(data)}[/]")
    if other:
        _say(console, f"compared with {_name_edition(other)}, run {escape(other.result.run_id)}")
    console.print()
    if data.splits:
        _print_images(console, data, other)
    else:
        _say(console, _explain_nothing(data))
    _print_findings(console, data)
    table = data_views.distances(data, other, _name_span(other) if other else "")
    if table.rows:
        console.print()
        far = [place for place, row in enumerate(table.rows) if row["too_far"]]
        table.print(console, dict.fromkeys(far, "bold"))


def _print_images(console: Console, data: RunData, other: RunData | None) -> None:
    others = other.splits if other else None
    data_views.classes(data.splits, others).print(console)
    for name in dict.fromkeys(name for one in data.splits.values() for name in one.measures):
        console.print()
        for line in _draw(name, data, other, ascii_only=console.options.ascii_only):
            _say(console, escape(line))
    console.print()


def _draw(name: str, data: RunData, other: RunData | None, *, ascii_only: bool) -> Iterator[str]:
    """Histograms of a measure by split, on one scale, a line each, between a title and an axis."""
    lines = [line for split in data.splits for line in _lines(name, split, data, other)]
    most = max(share for line in lines for share in line.measured.shares)
    indent = max(len(line.label) for line in lines) + 2
    parts = len(lines[0].measured.counts)
    yield f"{name}, from 0 to 1: images in each of {parts} parts"
    for line in lines:
        bars = histograms.draw(line.measured.shares, most, _BAR, ascii_only=ascii_only)
        yield f"{line.label:<{indent}}{bars}  mean {line.measured.mean:.3f}{line.change}"
    middle = parts * _BAR // 2
    yield f"{'':<{indent}}{'0':<{middle - 1}}{'0.5':<{middle}}1"


def _lines(name: str, split: str, data: RunData, other: RunData | None) -> Iterator[_Line]:
    """A measure of a split, and below it that of the same split of the other run."""
    measured = data.splits[split].measures.get(name)
    before = other.splits[split].measures.get(name) if other and split in other.splits else None
    if measured:
        yield _Line(
            split, measured, f", change {measured.mean - before.mean:+.3f}" if before else ""
        )
    if other and before:
        yield _Line(f"  {_name_span(other)}", before)


def _print_findings(console: Console, data: RunData) -> None:
    if data.findings is None:
        _say(console, "The data gate has not judged this data.")
    elif not data.findings:
        _say(console, "The data gate found nothing wrong.")
    else:
        _say(console, "The data gate found:")
    for one in data.findings or ():
        what = "stops the run" if one.severity == "stop" else "a warning"
        _say(console, f"  - {what}: {escape(one.sentence)}")


def _name_span(data: RunData) -> str:
    return f"span {data.span}"


def _name_edition(data: RunData) -> str:
    version = f", version {data.version}" if data.version else ""
    return f"{_name_span(data)}{version}"


def _explain_nothing(data: RunData) -> str:
    if data.result.running:
        return "Its images have not been measured yet: it is still at work."
    reasons = "; ".join(describe_verdict(data.result))
    return (
        "There are no figures of its images: it ended before they were measured, or an earlier "
        f"version of this project made it. {escape(reasons)}".strip()
    )


def _say(console: Console, text: str) -> None:
    console.print(
        plain(text) if console.options.ascii_only else text, soft_wrap=True, highlight=False
    )
