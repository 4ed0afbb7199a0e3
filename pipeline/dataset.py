"""The dataset as TFRecords: verify it, split it, write it.

python -m pipeline.dataset prepare     make the TFRecords that the pipeline reads
python -m pipeline.dataset info        say which data would be taken, and what it holds
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline import config, workspace
from pipeline.data import download, sources
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import Parser
from pipeline.screen.command_line import Answer, download_progress
from trainer_module import features

PROGRAM = "python -m pipeline.dataset"


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command `prepare` or `info`.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code, 0.

    Raises:
        UserError: see `sources.find` and `Source.prepare`.
    """
    parsed = _parse(argv, program)
    asked = arguments.load(parsed)
    return command_line.answer(lambda console: parsed.run(asked, console), as_json=parsed.json)


def _add_shared_flags(parser: Parser) -> None:
    arguments.add_config_flags(parser)
    arguments.add_json_flag(parser)


def _parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = arguments.make_parser(program, f"Finds, verifies and splits {features.DATASET.title}.")
    _add_shared_flags(parser)
    shared = [arguments.shared_by_commands(_add_shared_flags)]
    for name, run, text in (
        ("prepare", _prepare, "make the TFRecords that the pipeline reads"),
        ("info", _info, "say which data would be taken, and what it holds"),
    ):
        parser.add_command(name, text, parents=shared).set_defaults(run=run)
    return parser.parse_args(argv)


def _prepare(asked: config.Config, console: Console) -> Answer:
    with download_progress(console) as progress:
        source = sources.find(asked.dataset, progress)
    place = workspace.workspace(asked.paths, source.dataset)
    with console.status(f"preparing {escape(source.origin)} …"):
        prepared = source.prepare(asked.dataset, place.records)
    line = f"{prepared.directory}: {source.dataset}, from {source.origin}"
    console.print(line, soft_wrap=True, markup=False)
    if prepared.examples:
        console.print(_count_table(prepared.examples))
    return Answer(
        {
            "dataset": source.dataset,
            "origin": source.origin,
            "directory": str(prepared.directory),
            "examples": prepared.examples,
        }
    )


def _info(asked: config.Config, console: Console) -> Answer:
    fetch = "fetch it with `python -m pipeline.dataset prepare`, or "
    fetch = fetch if features.DATASET.official else ""

    def refuse(directory: Path, progress: download.Progress) -> None:
        raise download.UnreachableError(
            f"{features.DATASET.title} is not on this machine: {fetch}name a directory that has it "
            "with --data-dir."
        )

    # Never the fallback: info tells what is there, and downloads nothing to find out.
    meant = asked.dataset
    if meant.name == config.AUTO:
        meant = meant.model_copy(update={"name": features.DATASET.name})
    source = sources.find(meant, lambda name, received, total: None, fetch=refuse)
    console.print(f"{source.dataset}: {source.origin}", soft_wrap=True, markup=False)
    counts = source.count(meant)
    if counts:
        if source.verified:
            console.print(source.verified)
        console.print(_count_table(counts))
    return Answer(
        {
            "dataset": source.dataset,
            "origin": source.origin,
            "verified": bool(counts and source.verified),
            "examples": counts or None,
        }
    )


def _count_table(examples: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table("class", box=None, padding=(0, 2, 0, 0))
    for split in examples:
        table.add_column(split, justify="right")
    for name in features.CLASS_NAMES:
        table.add_row(name, *(f"{counts[name]:,}" for counts in examples.values()))
    table.add_row("in all", *(f"{sum(counts.values()):,}" for counts in examples.values()))
    return table


if __name__ == "__main__":
    command_line.exit_with(main)
