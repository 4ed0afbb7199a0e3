"""The dataset as TFRecords: verify it, split it, write it.

python -m pipeline.dataset prepare     make the TFRecords that the pipeline reads
python -m pipeline.dataset info        say which data would be taken, and what it holds
python -m pipeline.dataset import SOURCE DIR
                                       make TFRecords of images in another form
python -m pipeline.dataset demo-spans DIR
                                       make four spans, to see what becomes of new data
python -m pipeline.dataset quarantine  list the bad examples that were set aside
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline import config, workspace
from pipeline.data import demo_spans, download, importing, kinds, quarantine, sources
from pipeline.errors import UserError
from pipeline.runs import lookup
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import Parser, positive_number, whole_number
from pipeline.screen.command_line import Answer, download_progress
from trainer_module import features

PROGRAM = "python -m pipeline.dataset"

_FORMS = f"""\
SOURCE is one of these:
  a CSV, or two of them with train and test in their names, as on Kaggle: a label and
  {features.IMAGE_SIZE**2} pixels in each row, with or without a header;
  Parquet, as on Hugging Face, with train and test in the names of the files: the bytes of
  a PNG or JPEG as {features.IMAGE}, and a number as {features.LABEL};
  an npz, as Keras has it: x_train, y_train, x_test and y_test, or images and labels;
  a directory with a folder of PNGs or JPEGs for each class, named after it, or with such
  folders in train/ and test/.
Images have {features.IMAGE_SIZE} x {features.IMAGE_SIZE} grey pixels, and are taken as they are:
they should be bright on black, as {features.DATASET.title}'s. docs/data.md says more."""


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command `prepare`, `info`, `import`, `demo-spans` or `quarantine`.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code, 0.

    Raises:
        UserError: see `sources.find`, `Source.prepare`, `importing.import_images` and
            `demo_spans`, and `quarantine.read`.
    """
    parsed = _parse(argv, program)
    return command_line.answer(lambda console: parsed.run(parsed, console), as_json=parsed.json)


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
        ("quarantine", _quarantine, "list the bad examples that were set aside"),
    ):
        parser.add_command(name, text, parents=shared).set_defaults(run=run)
    _add_import(parser)
    demo = parser.add_command(
        "demo-spans", "make four spans, to see what becomes of new data", parents=shared
    )
    demo.set_defaults(run=_make_demo_spans)
    demo.add_argument(
        "directory", type=Path, metavar="DIR", help="gets the spans; there is none yet, or empty"
    )
    return parser.parse_args(argv)


def _add_import(parser: Parser) -> None:
    shared = [arguments.shared_by_commands(arguments.add_json_flag)]
    command = parser.add_command(
        "import",
        "make TFRecords of images in another form",
        parents=shared,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_FORMS,
    )
    command.set_defaults(run=_import)
    command.add_argument("source", type=Path, metavar="SOURCE", help="a file or a directory")
    command.add_argument(
        "directory", type=Path, metavar="DIR", help="gets the records; there is none yet, or empty"
    )
    group = command.add_argument_group("splits that SOURCE does not have are drawn, by class")
    for split, share in (("eval", "a twelfth"), ("test", "a seventh")):
        group.add_argument(
            f"--{split}-examples",
            type=positive_number,
            metavar="N",
            help=f"the examples to draw for {split} (default: {share})",
        )
    group.add_argument(
        "--seed", type=whole_number, metavar="N", help="random seed (default: dataset.seed, 0)"
    )


def _import(parsed: argparse.Namespace, console: Console) -> Answer:
    seed = arguments.load(parsed, **{"dataset.seed": parsed.seed}).dataset.seed
    # Links are left as they are: Hugging Face's cache has names of files in them alone.
    source = Path(os.path.expanduser(parsed.source))
    directory = workspace.expand(parsed.directory)
    asked = {"eval": parsed.eval_examples, "test": parsed.test_examples}
    counts = {split: count for split, count in asked.items() if count is not None}
    with console.status(f"importing {escape(str(source))} …"):
        imported = importing.import_images(source, directory, importing.Drawing(seed, counts))
    command = f"python -m pipeline.local_runner --data-dir {shlex.quote(str(directory))}"
    line = f"{imported.directory}: {features.DATASET.name}, from {imported.origin}"
    console.print(line, soft_wrap=True, markup=False)
    if imported.drawn:
        names = " and ".join(imported.drawn)
        console.print(f"drawn from train, stratified by class, with seed {seed}: {names}")
    console.print(_count_table(imported.examples))
    console.print(f"To train on it: {command}", soft_wrap=True, markup=False)
    return Answer(
        {
            "dataset": features.DATASET.name,
            "origin": imported.origin,
            "directory": str(imported.directory),
            "examples": imported.examples,
            "drawn": imported.drawn,
            "seed": seed,
            "command": command,
        }
    )


def _make_demo_spans(parsed: argparse.Namespace, console: Console) -> Answer:
    asked, directory = arguments.load(parsed), workspace.expand(parsed.directory)
    with download_progress(console) as progress:
        source = sources.find(asked.dataset, progress)
    if not isinstance(source, kinds.OriginalSet):
        raise UserError(
            f"The spans are drawn from {features.DATASET.title} itself, and there is "
            f"{source.origin}: name a directory that has it with --data-dir."
        )
    with console.status(f"drawing from {escape(source.origin)} …"):
        spans = demo_spans.make(source.read(config.Dataset()))
        demo_spans.write(directory, spans)
    taken = directory / demo_spans.TAKEN
    paths = {"--data-dir": taken, "--root": directory / "output"}
    flags = " ".join(f"{flag} {shlex.quote(str(path))}" for flag, path in paths.items())
    run = f"python -m pipeline.local_runner --config smoke {flags}"
    moves = [
        shlex.join(
            ["mv", str(directory / demo_spans.INCOMING / f"span-{span.number}"), f"{taken}/"]
        )
        for span in spans[1:]
    ]
    for line in (
        *(f"span {span.number}: {span.text}" for span in spans),
        f"The first has arrived. To train on it:\n    {run}",
        "To have one of the others arrive, move it, and run the same again:",
        *(f"    {move}" for move in moves),
    ):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return Answer(
        {
            "directory": str(directory),
            "origin": source.origin,
            "spans": {span.number: span.text for span in spans},
            "run": run,
            "moves": moves,
        }
    )


def _prepare(parsed: argparse.Namespace, console: Console) -> Answer:
    asked = arguments.load(parsed)
    with download_progress(console) as progress:
        source = sources.find(asked.dataset, progress)
    place = workspace.workspace(asked.paths, source.dataset)
    with console.status(f"preparing {escape(source.origin)} …"):
        prepared = source.prepare(asked.dataset, place.records)
    line = f"{prepared.directory}: {source.dataset}, from {source.origin}"
    console.print(line, soft_wrap=True, markup=False)
    if prepared.examples:
        console.print(_count_table(prepared.examples))
    for note in prepared.describe_set_aside(place.root):
        console.print(f"{note}.", soft_wrap=True, markup=False)
    return Answer(
        {
            "dataset": source.dataset,
            "origin": source.origin,
            "directory": str(prepared.directory),
            "examples": prepared.examples,
            "set_aside": prepared.set_aside.examples if prepared.set_aside else 0,
        }
    )


def _info(parsed: argparse.Namespace, console: Console) -> Answer:
    asked = arguments.load(parsed)
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
    counted = source.count(meant)
    counts, verified = counted.examples, source.verified and not counted.bad
    if counts:
        if verified:
            console.print(source.verified)
        console.print(_count_table(counts))
    if counted.bad:
        console.print(f"{counted.bad:,} more would be set aside, not being what examples must be.")
    return Answer(
        {
            "dataset": source.dataset,
            "origin": source.origin,
            "verified": bool(counts and verified),
            "examples": counts or None,
            "set_aside": counted.bad,
        }
    )


def _quarantine(parsed: argparse.Namespace, console: Console) -> Answer:
    asked = arguments.load(parsed)
    places = lookup.find_places(asked)
    found = [one for place in places for one in quarantine.find(place.records)]
    documents = []
    for directory in found:
        kept, entries = quarantine.read(directory)
        line = f"{directory}: {len(entries):,} of {kept.of:,} examples of {kept.source}"
        console.print(line, soft_wrap=True, markup=False)
        console.print(_reason_table(entries, kept.source))
        documents.append(
            {
                "directory": str(directory),
                "source": kept.source,
                "of": kept.of,
                "records": str(directory / quarantine.RECORDS_FILE),
                "examples": [entry.model_dump() for entry in entries],
            }
        )
    if not found:
        console.print(
            f"Nothing was set aside in {places[0].records}.", soft_wrap=True, markup=False
        )
    return Answer({"quarantines": documents})


def _reason_table(entries: Sequence[quarantine.Entry], source: str) -> Table:
    """The reasons, those with most examples first, and records by the file below the source."""
    by_reason: dict[str, list[quarantine.Entry]] = {}
    for entry in entries:
        by_reason.setdefault(entry.reason, []).append(entry)
    table = Table("it has", box=None, padding=(0, 2, 0, 0))
    table.add_column("examples", justify="right")
    table.add_column("first", overflow="fold")
    for reason, some in sorted(by_reason.items(), key=lambda one: -len(one[1])):
        first = f"record {some[0].record} of {some[0].file.removeprefix(f'{source}/')}"
        table.add_row(escape(reason), f"{len(some):,}", escape(first))
    return table


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
