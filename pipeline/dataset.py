"""The dataset as TFRecords: verify it, split it, write it.

python -m pipeline.dataset prepare     make the TFRecords that the pipeline reads
python -m pipeline.dataset info        say which data would be taken, and what it holds
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline import config, workspace
from pipeline.data import download, sources
from pipeline.errors import ExitCode
from pipeline.screen import command_line
from pipeline.screen.command_line import download_progress
from trainer_module import features


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command `prepare` or `info`.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit code, 0.

    Raises:
        UserError: see `sources.find` and `Source.prepare`.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.dataset",
        description=f"Finds, verifies and splits {features.DATASET.title}.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, run, text in (
        ("prepare", _command_prepare, "make the TFRecords that the pipeline reads"),
        ("info", _command_info, "say which data would be taken, and what it holds"),
    ):
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command_line.add_config_flags(command)
        command.set_defaults(run=run)
    arguments = parser.parse_args(argv)
    return arguments.run(command_line.load(arguments))


def _command_prepare(settings: config.Config) -> int:
    console = Console()
    with download_progress(console) as progress:
        source = sources.find(settings.dataset, progress)
    place = workspace.workspace(settings.paths, source.dataset)
    with console.status(f"preparing {escape(source.origin)} …"):
        prepared = source.prepare(settings.dataset, place.records)
    line = f"{prepared.directory}: {source.dataset}, from {source.origin}"
    console.print(line, soft_wrap=True, markup=False)
    if prepared.examples:
        console.print(_count_table(prepared.examples))
    return ExitCode.OK


def _command_info(settings: config.Config) -> int:
    fetch = "fetch it with `python -m pipeline.dataset prepare`, or "
    fetch = fetch if features.DATASET.official else ""

    def refuse(directory: Path, progress: download.Progress) -> None:
        raise download.UnreachableError(
            f"{features.DATASET.title} is not on this machine: {fetch}name a directory that has it "
            "with --data-dir."
        )

    # Never the fallback: info tells what is there, and downloads nothing to find out.
    asked = settings.dataset
    if asked.name == config.AUTO:
        asked = asked.model_copy(update={"name": features.DATASET.name})
    source = sources.find(asked, lambda name, received, total: None, fetch=refuse)
    console = Console()
    console.print(f"{source.dataset}: {source.origin}", soft_wrap=True, markup=False)
    if counts := source.count():
        if source.verified:
            console.print(source.verified)
        console.print(_count_table(counts))
    return ExitCode.OK


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
