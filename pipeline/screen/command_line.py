"""What commands have in common: their flags, the progress of a download, how they end."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from components import quiet
from pipeline import config
from pipeline.errors import ExitCode, UserError
from trainer_module import features, keras_settings


def add_config_flags(parser: argparse.ArgumentParser, *, data: bool = True) -> None:
    """Adds the flags that make up the configuration; `load` reads them.

    Args:
        parser: of a command.
        data: whether the command reads the data, and so takes the flag that says where it is.
    """
    group = parser.add_argument_group("configuration")
    group.add_argument(
        "--root", type=Path, metavar="DIR", help="where a run keeps what it makes (default: output)"
    )
    if data:
        group.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help="the official files, a directory of TensorFlow Datasets, or TFRecords of your "
            f"own (default: ${features.DATASET.variable}, data/, "
            f"../shared/{features.DATASET.shared_directory}, then download)",
        )
    group.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"{config.AUTO}, {features.DATASET.name} (never falls back) or {config.SAMPLE} "
        f"(generated) (default: {config.AUTO})",
    )
    group.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.KEY=VALUE",
        dest="assignments",
        help="one setting, as in TOML; may be given more than once",
    )


def add_serving_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that says where blessed models go."""
    parser.add_argument(
        "--serving-dir",
        type=Path,
        metavar="DIR",
        help="where blessed models go (default: serving in the root)",
    )


def load(arguments: argparse.Namespace, **flags: object) -> config.Config:
    """Builds the configuration from the flags, and from further ones by `group.key`.

    Raises:
        UserError: a key or a value is not allowed.
    """
    values = {
        "paths.root": arguments.root,
        "dataset.dir": getattr(arguments, "data_dir", None),
        "dataset.name": arguments.dataset,
    }
    return config.load_config(arguments.config, arguments.assignments, {**values, **flags})


@contextmanager
def download_progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Shows a bar for each file that is downloaded; yields what `sources.find` calls."""
    bars = Progress(
        TextColumn("downloading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    tasks: dict[str, TaskID] = {}

    def update(name: str, received: int, total: int) -> None:
        if name not in tasks:
            # Not before: without a bar it would leave an empty line on the screen.
            bars.start()
            tasks[name] = bars.add_task(name, total=None)
        bars.update(tasks[name], completed=received, total=total or None)

    try:
        yield update
    finally:
        if tasks:  # Otherwise it never started, and stopping it would print an empty line.
            bars.stop()


def open_standard_streams() -> None:
    """Opens on the null device what is closed of standard input, output and error.

    A daemon may be started without them. Whatever is opened next, such as a pipe to a process,
    would take their numbers, and lose what others write there. What standard output can't show, as
    a path of other bytes, is escaped, as it is on standard error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    # What takes its place in a test or a notebook has no such handler.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def let_go(stream: IO[str]) -> None:
    """Sends to the null device what else is written: who read it has enough, as `head`.

    Else Python would try once more as it exits.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def take_as_interrupts(*numbers: signal.Signals) -> None:
    """A service manager's stop and a closed terminal, unless they are ignored, as by nohup."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def exit_with(command: Callable[[], int]) -> None:
    """Runs a command and exits with its code; a `UserError` becomes a line on stderr."""
    open_standard_streams()
    # Before the command imports TensorFlow, and with it Keras, which may not like its settings.
    os.environ.update(keras_settings.ENVIRONMENT)
    quiet.silence_tensorflow()
    try:
        code = command()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = ExitCode.USAGE
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        let_go(sys.stdout)
        code = ExitCode.OK
    except OSError as error:
        # Of a file it has the name; of the output, as on a full disk, it has none.
        if error.filename is not None:
            raise
        let_go(sys.stdout)
        print(f"error: The output can't be written: {error.strerror}.", file=sys.stderr)
        code = ExitCode.FAILED
    sys.exit(code)
