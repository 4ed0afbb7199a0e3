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

import argparse
import datetime
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.model_formats.export import FormatError, export
from components.model_formats.formats import FORMATS
from components.model_server.client import ServerError
from components.model_server.process import PROGRAM, Server, find_server
from components.model_store.manifest import StoreError
from components.model_store.store import Store, Version
from components.serving_check.findings import Findings
from components.serving_check.runner import BATCHES, TOLERANCE, Limits, run_check
from pipeline import config, workspace
from pipeline.data import garment
from pipeline.errors import ExitCode, UserError
from pipeline.screen import command_line, pictures
from trainer_module import features, served

if TYPE_CHECKING:
    from trainer_module.warmup import Warmup

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
    check.add_argument(
        "--server",
        nargs="?",
        const="",
        metavar="PROGRAM",
        help="have TensorFlow Serving serve it on this machine too, and compare: PROGRAM, or "
        f"{PROGRAM} on the PATH, or else its image in Docker",
    )
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
    to_format = add("export", _export, "write a version in another format, for other runtimes")
    to_format.add_argument("version", type=int, metavar="VERSION")
    to_format.add_argument(
        "--format",
        choices=FORMATS,
        required=True,
        help="LiteRT, with integers alone, ONNX or Keras",
    )
    to_format.add_argument(
        "directory", type=Path, metavar="DIR", help="where to write; must not exist"
    )
    prune = add(
        "prune",
        _prune,
        "delete old versions, but not those moved aside, and never the live or a pinned one",
    )
    prune.add_argument(
        "--keep",
        type=int,
        required=True,
        metavar="N",
        help="how many of the newest visible ones stay",
    )
    prune.add_argument(
        "--withdrawn", action="store_true", help="delete those that were moved aside, too"
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
        _warn(console, store)
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
    _warn(console, store)
    return ExitCode.OK


def _row(version: Version) -> tuple[str, ...]:
    state = _describe_state(version)
    record = version.record
    if record is None:
        return str(version.number), "–", "–", "–", state
    accuracy = record.facts.metrics.get("accuracy")
    return (
        str(version.number),
        _describe_time(record.pushed),
        "–" if accuracy is None else f"{accuracy:.4f}",
        escape(record.facts.run),
        state,
    )


def _describe_time(pushed: str) -> str:
    try:
        time = datetime.datetime.fromisoformat(pushed)
    except ValueError:
        return "–"
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def _describe_state(version: Version) -> str:
    if version.live:
        return "live, pinned" if version.pinned else "live"
    if version.visible:
        return "" if version.servable else "damaged"
    return (version.record and version.record.withdrawn) or "moved aside"


def _check(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    console = Console()
    server = None if arguments.server is None else _find_server(arguments.server)
    version = store.find(arguments.version)
    faults = store.faults(version)
    if not faults:
        _say(console, _describe_checksums(version))
        with console.status("loading and calling the model …"):
            recorded = _read_recorded(version)
            report = _probe(version, recorded, settings.serving)
        for line in _describe_measures(report):
            _say(console, line)
        faults = report.reasons
    if not faults and server:
        with console.status(f"serving the model by {server.name} …"):
            faults = _serve(server, version, recorded, settings.serving)
        _say(console, f"server    {escape(server.name)}, on this machine, over REST and gRPC")
    for fault in faults:
        _say(console, f"[red]•[/] {escape(fault)}")
    if faults:
        _say(console, f"[bold red]Version {version.number} is not sound.[/]")
        return ExitCode.FAILED
    _say(console, f"[bold green]Version {version.number} is sound.[/]")
    return ExitCode.OK


def _find_server(program: str) -> Server:
    try:
        return find_server(program or None)
    except ServerError as error:
        raise UserError(
            f"--server needs TensorFlow Serving, and {error}: name its program with --server "
            "PROGRAM, or leave the flag out."
        ) from error


def _describe_checksums(version: Version) -> str:
    if version.record is None:
        return "files     not compared: no push of this project is on record"
    return f"files     all {len(version.record.files)} as they were pushed"


def _read_recorded(version: Version) -> "Warmup":
    """The requests that the version brings, with their answers; one without where it has none."""
    from trainer_module import warmup

    return warmup.read_warmup(version.path) or warmup.Warmup([warmup.make_black_example()], {})


def _probe(version: Version, recorded: "Warmup", settings: config.Serving) -> Findings:
    from trainer_module import warmup

    limits = Limits.of(settings.model_dump())
    expected = warmup.to_plain(recorded.answers)
    return run_check(version.path, recorded.examples, expected, limits, features.IMAGE)


def _serve(
    server: Server, version: Version, recorded: "Warmup", settings: config.Serving
) -> list[str]:
    from components.model_server.check import check_on_server
    from trainer_module import warmup

    return check_on_server(
        server,
        version.path,
        workspace.MODEL_NAME,
        version.number,
        warmup.decode_images(recorded.examples),
        warmup.to_plain(recorded.answers),
        TOLERANCE,
        settings.timeout_s,
    )


def _describe_measures(report: Findings) -> list[str]:
    measures = report.measures
    lines = [f"size      {measures['size_mb']:.2f} MB"]
    if "load_s" in measures:
        lines.append(
            f"loads     in {measures['load_s']:.2f} s, by TensorFlow's C API as a server does"
        )
    if "difference" in measures:
        apart = measures["difference"]
        lines.append(f"answers   as recorded in it, at most {apart:.1g} apart, in Python as well")
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
    _say_what_is_aside(console, store, "not deleted")
    _warn(console, store)
    return ExitCode.OK


def _pin(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    live = store.pin(arguments.version)
    console = Console()
    _say(
        console,
        f"[bold green]Version {live.number} is live[/] for servers that read models.config, "
        "until `unpin` or `rollback`.",
    )
    _warn(console, store)
    return ExitCode.OK


def _unpin(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    live = store.unpin()
    console = Console()
    _say(console, f"[bold green]Version {live.number} is live[/], the newest.")
    _warn(console, store)
    return ExitCode.OK


def _predict(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    # Before TensorFlow is waited for.
    garments = [garment.read_garment(image) for image in arguments.images]
    if arguments.save:
        pictures.save(arguments.save, arguments.images, [one.pixels for one in garments])
    version = _find_sound(store, arguments.version)
    console = Console()
    shown = [one.pixels for one in garments if not one.blank]
    with console.status("loading the model …"):
        try:
            probabilities = iter(_classify(version.path, shown) if shown else [])
        # Another's model may fail in any way.
        except Exception as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(
                f"Version {version.number} can't classify pictures ({reason}): "
                f"`check {version.number}` says more."
            ) from error
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


def _find_sound(store: Store, number: int | None) -> Version:
    version = store.find(number)
    if faults := store.faults(version):
        raise UserError(f"Version {version.number} is not as it was pushed: {faults[0]}.")
    return version


def _classify(model: Path, images: Sequence) -> list[list[float]]:
    """Returns the probability of each class for each picture."""
    import numpy as np

    from trainer_module import signature_calls

    classify = signature_calls.load_signature(model, served.PREDICT_IMAGES)
    probabilities = classify(np.stack(images))[served.PROBABILITIES]
    wanted = (len(images), features.NUM_CLASSES)
    # Another's model may answer anything.
    if probabilities.shape != wanted or not np.isfinite(probabilities).all():
        raise ValueError("it does not answer with a probability for each class")
    return probabilities.tolist()


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


def _export(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    command_line.take_as_interrupts(signal.SIGTERM, signal.SIGHUP)
    version = _find_sound(store, arguments.version)
    console = Console()
    facts = {"version": version.number, "run": version.record.facts.run if version.record else ""}
    directory = workspace.expand(arguments.directory)
    with console.status(f"writing version {version.number} as {arguments.format} …"):
        try:
            written = export(version.path, arguments.format, directory, workspace.MODEL_NAME, facts)
        except FormatError as error:
            raise UserError(str(error)) from error
    size = written.file.stat().st_size / 1e3
    _say(
        console,
        f"{escape(str(written.file))}, {size:,.0f} kB; {written.file.stem}.json says what it takes "
        "and gives",
    )
    _say(
        console,
        f"[bold green]It answers as version {version.number} does[/]: {written.same} of "
        f"{written.images} images get the same class, at most {written.difference:.1g} apart.",
    )
    return ExitCode.OK


def _prune(store: Store, arguments: argparse.Namespace, settings: config.Config) -> int:
    if arguments.keep < 1:
        raise UserError(f"--keep = {arguments.keep} is not allowed: it should be at least 1.")
    console = Console()
    doomed = store.superfluous(arguments.keep, withdrawn=arguments.withdrawn)
    if not doomed:
        _say(console, "There is nothing to delete.")
    else:
        numbers = _enumerate(doomed)
        if not arguments.yes and not _confirm(console, f"Delete {numbers}? [y/N] "):
            _say(console, "Nothing was deleted.")
            return ExitCode.FAILED
        deleted = store.prune(doomed)
        _say(console, f"Deleted {_enumerate(deleted)}." if deleted else "Nothing was deleted.")
    _say_what_is_aside(console, store, "not deleted without --withdrawn")
    _warn(console, store)
    return ExitCode.OK


def _confirm(console: Console, question: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError("prune asks before it deletes: give --yes where nobody can answer.")
    return console.input(question, markup=False).strip().lower() in ("y", "yes")


def _say_what_is_aside(console: Console, store: Store, remark: str) -> None:
    if aside := [version for version in store.versions() if not version.visible]:
        _say(console, f"Moved aside, {remark}: {_enumerate(aside[::-1])}.")


def _enumerate(versions: Sequence[Version]) -> str:
    return ", ".join(str(version.number) for version in versions)


def _warn(console: Console, store: Store) -> None:
    for warning in store.warnings():
        _say(console, f"[yellow]Warning[/]: {escape(warning)}")


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    command_line.exit_with(main)
