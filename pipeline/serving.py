"""The serving directory: see, compare, try, pin and roll back the models that are served.

python -m pipeline.serving list               versions, and which one is live
python -m pipeline.serving check VERSION      checksums, and whether it loads and answers
python -m pipeline.serving rollback [VERSION] serve an earlier version, or one moved aside
python -m pipeline.serving pin VERSION        keep a version live, whatever is pushed
python -m pipeline.serving unpin              let the newest version be live again
python -m pipeline.serving predict IMAGE…     classify pictures with the live version
python -m pipeline.serving prune --keep N     delete all but the newest versions
"""

import argparse
import datetime
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.atomic_pusher.manifest import StoreError
from components.atomic_pusher.store import Store, Version
from components.serving_check.report import Report
from components.serving_check.runner import BATCHES, Limits, run_check
from pipeline import command_line, config, garment, pictures, workspace
from pipeline.errors import ExitCode, UserError
from trainer_module import features

_BAR_WIDTH = 30
# A class that is less likely is left out.
_LEAST_PROBABILITY = 0.01


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one of the commands.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit code: 0, or 1 where `check` found a fault or `prune` was declined.

    Raises:
        UserError: the serving directory, a version or a picture is not as it should be.
    """
    arguments = _parse(argv)
    settings = command_line.load(arguments, **{"paths.serving_dir": arguments.serving_dir})
    place = workspace.workspace(settings.paths, settings.dataset.name)
    store = Store(place.serving_model_dir, settings.serving.server_dir)
    try:
        return arguments.run(store, arguments, settings)
    except StoreError as error:
        raise UserError(str(error)) from error


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.serving",
        description="Shows, checks, tries, pins and rolls back the models that are served.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        description = text[0].upper() + text[1:] + "."
        command = commands.add_parser(name, help=text, description=description)
        command.set_defaults(run=run)
        return command

    add("list", _list, "list the versions, and say which one is live")
    check = add("check", _check, "compare a version's checksums, load it and call it")
    check.add_argument("version", type=int, metavar="VERSION")
    rollback = add("rollback", _rollback, "make a version live, and move newer ones aside")
    rollback.add_argument(
        "version",
        type=int,
        nargs="?",
        metavar="VERSION",
        help="also one that was moved aside (default: the sound one before the live one)",
    )
    pin = add("pin", _pin, "keep a version live for servers that read models.config")
    pin.add_argument("version", type=int, metavar="VERSION")
    add("unpin", _unpin, "let the newest version be live again")
    predict = add("predict", _predict, "classify pictures, PNG or JPEG of any size")
    predict.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    predict.add_argument(
        "--version", type=int, metavar="N", help="the version that answers (default: the live one)"
    )
    predict.add_argument(
        "--show", action="store_true", help="draw the 28×28 pixels that the model sees"
    )
    predict.add_argument(
        "--save", type=Path, metavar="DIR", help="write these pixels as PNGs into a directory"
    )
    prune = add("prune", _prune, "delete old versions, never the live or a pinned one")
    prune.add_argument(
        "--keep", type=int, required=True, metavar="N", help="how many of the newest stay"
    )
    prune.add_argument("--yes", action="store_true", help="delete without asking")
    for command in commands.choices.values():
        command_line.add_config_flags(command, data=False)
        command_line.add_serving_flag(command)
    return parser.parse_args(argv)


def _list(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    console = Console()
    versions = store.versions()
    console.print(str(store.directory), soft_wrap=True, markup=False)
    if not versions:
        console.print("No model was pushed here yet.")
        return ExitCode.OK
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("version", justify="right")
    table.add_column("pushed")
    table.add_column("accuracy", justify="right")
    for heading in ("from run", "state"):
        table.add_column(heading)
    for version in versions:
        table.add_row(*_row(version), style="bold green" if version.live else None)
    console.print(table)
    return ExitCode.OK


def _row(version: Version) -> tuple[str, ...]:
    state = _describe_state(version)
    record = version.record
    if record is None:
        return str(version.number), "–", "–", "–", state
    pushed = datetime.datetime.fromisoformat(record.pushed).astimezone()
    accuracy = record.facts.metrics.get("accuracy")
    return (
        str(version.number),
        pushed.strftime("%Y-%m-%d %H:%M"),
        "–" if accuracy is None else f"{accuracy:.4f}",
        escape(record.facts.run),
        state,
    )


def _describe_state(version: Version) -> str:
    if version.live:
        return "live, pinned" if version.pinned else "live"
    if version.visible:
        return ""
    return (version.record and version.record.withdrawn) or "moved aside"


def _check(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    console = Console()
    version = store.find(arguments.version)
    faults = store.faults(version)
    for fault in faults:
        _say(console, f"[red]•[/] {escape(fault)}")
    if not faults:
        _say(console, _describe_checksums(version))
        with console.status("loading and calling the model …"):
            report = _probe(version, settings.serving)
        for reason in report.reasons:
            _say(console, f"[red]•[/] {escape(reason)}")
        for line in _describe_measures(report):
            _say(console, line)
        faults = report.reasons
    if faults:
        _say(console, f"[bold red]Version {version.number} is not sound.[/]")
        return ExitCode.FAILED
    _say(console, f"[bold green]Version {version.number} is sound.[/]")
    return ExitCode.OK


def _describe_checksums(version: Version) -> str:
    if version.record is None:
        return "files     not compared: no push of this project is on record"
    return f"files     all {len(version.record.files)} as they were pushed"


def _probe(version: Version, settings: config.Serving) -> Report:
    _silence_tensorflow()
    from trainer_module import warmup

    recorded = warmup.read_warmup(version.path)
    examples, expected = (
        (recorded.examples, warmup.to_plain(recorded.answers))
        if recorded
        else ([warmup.make_black_example()], {})
    )
    limits = Limits.of(settings.model_dump())
    return run_check(version.path, examples, expected, limits, features.IMAGE)


def _describe_measures(report: Report) -> list[str]:
    measures = report.measures
    lines = [f"size      {measures['size_mb']:.2f} MB"]
    if "load_s" in measures:
        lines.append(f"loads     in {measures['load_s']:.2f} s")
    if "difference" in measures:
        lines.append(f"answers   as recorded in it, at most {measures['difference']:.1g} apart")
    lines.extend(
        f"latency   {measures[f'median_ms_{size}']:.1f} ms, 99th percentile "
        f"{measures[f'p99_ms_{size}']:.1f} ms, batch of {size}"
        for size, _ in BATCHES
        if f"p99_ms_{size}" in measures
    )
    if "memory_mb" in measures:
        lines.append(f"memory    {measures['memory_mb']:,.0f} MB at most, TensorFlow included")
    return lines


def _rollback(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    before = store.find()
    live = store.rollback(arguments.version)
    console = Console()
    _say(console, f"[bold green]Version {live.number} is live[/], instead of {before.number}.")
    aside = [one.number for one in store.versions() if not one.visible]
    if aside:
        _say(console, f"Moved aside, not deleted: {', '.join(map(str, sorted(aside)))}.")
    return ExitCode.OK


def _pin(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    live = store.pin(arguments.version)
    _say(
        Console(),
        f"[bold green]Version {live.number} is live[/] for servers that read models.config, "
        "until `unpin` or `rollback`.",
    )
    return ExitCode.OK


def _unpin(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    live = store.unpin()
    _say(Console(), f"[bold green]Version {live.number} is live[/], the newest.")
    return ExitCode.OK


def _predict(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    # Before TensorFlow is waited for.
    garments = [garment.read_garment(image) for image in arguments.images]
    if arguments.save:
        pictures.save(arguments.save, arguments.images, [one.pixels for one in garments])
    version = store.find(arguments.version)
    if faults := store.faults(version):
        raise UserError(f"Version {version.number} is not as it was pushed: {faults[0]}.")
    console = Console()
    shown = [one.pixels for one in garments if not one.blank]
    with console.status("loading the model …"):
        probabilities = iter(_classify(version.path, shown) if shown else [])
    _say(console, f"version {version.number}")
    for image, one in zip(arguments.images, garments, strict=True):
        console.print()
        _say(console, f"[bold]{escape(str(image))}[/]")
        if arguments.show:
            pictures.draw(console, one.pixels)
        if one.blank:
            _say(console, "[yellow]blank: nothing to classify[/]")
        else:
            console.print(_probability_table(next(probabilities)))
    return ExitCode.OK


def _classify(model: Path, images: Sequence) -> list[list[float]]:
    """Returns the probability of each class for each picture."""
    _silence_tensorflow()
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))
    answer = loaded.signatures["predict_images"](images=tf.constant(np.stack(images)))
    return answer["probabilities"].numpy().tolist()


def _silence_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Of what it imports, about Pythons to come.
    warnings.simplefilter("ignore", FutureWarning)


def _probability_table(probabilities: Sequence[float]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=max(map(len, features.CLASS_NAMES)))
    table.add_column(justify="right")
    table.add_column()
    named = zip(features.CLASS_NAMES, probabilities, strict=True)
    for name, probability in sorted(named, key=lambda pair: -pair[1]):
        if probability >= _LEAST_PROBABILITY:
            bar = "█" * max(1, round(_BAR_WIDTH * probability))
            table.add_row(name, f"{probability:.1%}", f"[green]{bar}[/]")
    return table


def _prune(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    if arguments.keep < 1:
        raise UserError(f"--keep = {arguments.keep} is not allowed: it should be at least 1.")
    console = Console()
    doomed = store.superfluous(arguments.keep)
    if not doomed:
        _say(console, "There is nothing to delete.")
        return ExitCode.OK
    numbers = ", ".join(str(version.number) for version in doomed)
    if not arguments.yes and not _confirm(console, f"Delete {numbers}? [y/N] "):
        _say(console, "Nothing was deleted.")
        return ExitCode.FAILED
    deleted = store.prune(doomed)
    _say(console, f"Deleted {', '.join(str(version.number) for version in deleted)}.")
    return ExitCode.OK


def _confirm(console: Console, question: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError("prune asks before it deletes: give --yes where nobody can answer.")
    return console.input(question, markup=False).strip().lower() in ("y", "yes")


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    command_line.exit_with(main)
