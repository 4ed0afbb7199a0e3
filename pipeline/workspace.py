"""Where a run keeps what it makes: every path derives from one root."""

import datetime
import errno
import fcntl
import os
import pwd
import re
import shlex
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pydantic

from pipeline import config
from pipeline.errors import UserError
from trainer_module import features

MODEL_NAME = "tinyvgg"
"""The directory below the serving directory, and the name a model server knows."""

LOG_FILE = "pipeline.log"
"""In a run's directory: what the components and their libraries logged."""

RESULT_FILE = "result.json"
"""In a run's directory: the object that `--json` prints."""

DATASETS = (features.DATASET.name, config.SAMPLE)
"""Each has a pipeline of its own, of which the second's lies below the first's."""

_WILDCARDS = frozenset("*?[]{}|^$\\")
"""What means something else in the patterns of Beam, or in the regular expressions of TFX."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)")

_PATIENCE_S = 25.0
"""For a worker whose command was killed: a little longer than it may clean up."""

_POLL_S = 0.1
_GLANCE_S = 0.5
"""For one that only looks whether the root is in use."""


@dataclass(frozen=True)
class Workspace:
    """The paths of one pipeline.

    Attributes:
        pipeline_name: names the pipeline in ML Metadata.
        root: absolute; all but the served models lie below it.
        serving_dir: absolute; a directory for each model, with a directory for each version.
    """

    pipeline_name: str
    root: Path
    serving_dir: Path

    @property
    def artifacts(self) -> Path:
        """What the components output."""
        return self.root / "artifacts"

    @property
    def metadata(self) -> Path:
        """The SQLite database of ML Metadata."""
        return metadata(self.root)

    @property
    def records(self) -> Path:
        """The TFRecords that were prepared."""
        return self.root / "records"

    @property
    def checkpoints(self) -> Path:
        """The state of a training that was broken off, to resume from."""
        return self.root / "checkpoints"

    @property
    def versions(self) -> Path:
        """The versions of the libraries that the last whole run went by."""
        return self.root / "versions.json"

    @property
    def serving_model_dir(self) -> Path:
        """What a model server polls: versions of the model by number."""
        return self.serving_dir / MODEL_NAME

    def run_dir(self, run_id: str) -> Path:
        """The log and the result of one run."""
        return runs(self.root) / run_id


def workspace(paths: config.Paths, dataset_name: str) -> Workspace:
    """Derives the paths; the sample gets a name, a root and a serving directory of its own.

    Nothing trained on generated images may reach the serving directory that was asked for.
    """
    root = expand(paths.root)
    if dataset_name == config.SAMPLE:
        root = root / config.SAMPLE
        return Workspace(f"{features.DATASET.name}_{config.SAMPLE}", root, root / "serving")
    serving_dir = expand(paths.serving_dir or root / "serving")
    return Workspace(features.DATASET.name, root, serving_dir)


def serving_flags(paths: config.Paths, place: Workspace) -> str:
    """The flags of `python -m pipeline.serving` that name a pipeline's serving directory."""
    root = expand(paths.root)
    flags = ["--root", str(root)]
    if paths.serving_dir:
        flags += ["--serving-dir", str(expand(paths.serving_dir))]
    if place.root != root:
        flags += ["--dataset", place.root.name]
    return shlex.join(flags)


def metadata(root: Path) -> Path:
    """The SQLite database of ML Metadata of one pipeline."""
    return root / "metadata.db"


def runs(root: Path) -> Path:
    """The directories of one pipeline's runs."""
    return root / "runs"


def temporary(run_dir: Path) -> Path:
    """What a run's process and its libraries need while it lasts."""
    return run_dir / "tmp"


def expand(path: Path) -> Path:
    """Resolves a path, `~` being the home directory.

    Raises:
        UserError: it is a URL, of which a directory would be made that is called so.
    """
    # Of the two slashes behind the colon, a path has kept one.
    if url := _URL.match(str(path)):
        raise UserError(
            f"{url[1]}://{url[2]} is a URL, and what a run reads and keeps is in directories: "
            "mount it, by the same path here and on the workers of the engine, and name that path."
        )
    # Not by pathlib, which raises for a home that nobody has and for a loop of links.
    return Path(os.path.realpath(os.path.expanduser(path)))


def check_no_wildcards(directory: Path, flag: str) -> None:
    """Checks that a path stands for itself alone where TFX and Beam look for files by patterns.

    Raises:
        UserError: it does not; the sentence names the flag that chooses another.
    """
    found = sorted(_WILDCARDS & set(str(directory)))
    if found:
        raise UserError(
            f"{directory} has {' and '.join(found)} in its name, by which TFX would look for other "
            f"files: rename it, or name another directory with {flag}."
        )


def make_writable(directory: Path, flag: str) -> None:
    """Makes the directory, and tries to write into it.

    Raises:
        UserError: it can't be written; the sentence names the flag that chooses another.
    """
    probe = directory / ".write-test"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        way = next(part for part in (directory, *directory.parents) if os.path.lexists(part))
        raise UserError(
            f"{directory} can't be written: {way} is no directory; move it away, or name another "
            f"directory with {flag}."
        ) from error
    except OSError as error:
        raise _unwritable(directory, error.strerror, flag) from error


def check_earlier(place: Workspace) -> None:
    """Checks that what earlier runs left can be written, which may be another user's.

    Raises:
        UserError: something can't; the sentence says whose it is.
    """
    made = [place.metadata, runs(place.root), place.records, place.checkpoints, place.artifacts]
    # A directory for each component, and in it one for each of its outputs.
    made += [*place.artifacts.glob("*"), *place.artifacts.glob("*/*")]
    flags = {**dict.fromkeys(made, "--root"), place.serving_model_dir: "--serving-dir"}
    for path, flag in flags.items():
        if path.exists() and not os.access(path, os.W_OK):
            raise _unwritable(path, os.strerror(errno.EACCES), flag)


def share(place: Workspace) -> None:
    """Has the group of a shared directory write what this user made in it.

    A root or serving directory is shared if its group may write and is handed down (`chmod g+ws`).
    TensorFlow and SQLite let nobody but the owner write what they make, whatever the umask.

    Raises:
        OSError: something can't be changed.
    """
    for top in (place.root, place.serving_dir):
        status = top.stat()
        if status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IWGRP:
            for directory, _, files in os.walk(top):
                for path in (Path(directory), *(Path(directory, name) for name in files)):
                    _hand_to_group(path, status.st_gid)


def _hand_to_group(path: Path, group: int) -> None:
    status = path.lstat()
    if status.st_uid != os.geteuid() or stat.S_ISLNK(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode)
    wanted = mode | (mode & stat.S_IRWXU) >> 3
    if stat.S_ISDIR(status.st_mode):
        wanted |= stat.S_ISGID
    if status.st_gid != group:
        os.chown(path, -1, group)
    # A change of the group may take the bit away.
    if wanted != mode or status.st_gid != group:
        path.chmod(wanted)


@dataclass(frozen=True)
class Held:
    """A lock that this process holds.

    Attributes:
        descriptor: goes to a process that is to hold it as well, for as long as it has it open.
        since: when it was taken.
    """

    descriptor: int

    since: datetime.datetime

    def tell(self, worker: int | None = None) -> None:
        """Leaves word of who holds it: this process, and its worker, which may outlive it."""
        holder = Holder(command=os.getpid(), worker=worker, since=self.since)
        # Only a word to people: on a full disk, the lock holds without.
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, holder.model_dump_json().encode(), 0)


class Holder(pydantic.BaseModel):
    """Who holds a root, as its lock file tells: process ids on this machine, and since when."""

    command: int
    worker: int | None = None
    since: datetime.datetime
    host: str = pydantic.Field(default_factory=socket.gethostname)

    def is_killed(self) -> bool:
        """Whether the command is gone, so that its worker leaves before long."""
        if self.host != socket.gethostname():
            return False
        with suppress(OSError):
            # One that nobody has taken note of stays, as a zombie.
            status = Path(f"/proc/{self.command}/stat").read_text()
            return status.rpartition(")")[2].split()[0] == "Z"
        return True


@contextmanager
def lock(root: Path, say: Callable[[str], None] = lambda text: None) -> Iterator[Held]:
    """Holds the root for one run; the lock goes with the processes that hold it, however they end.

    The worker of a command that was killed leaves within its time, which is waited for.

    Args:
        root: the pipeline's.
        say: told what is waited for.

    Raises:
        UserError: another run holds it, or it can't be taken.
    """
    with _open_lock(root / ".lock") as file:
        began, told = time.monotonic(), False
        while not _try_lock(file):
            holder = _read_holder(file)
            left = bool(holder and holder.is_killed())
            if time.monotonic() - began > (_PATIENCE_S if left else _GLANCE_S):
                raise UserError(_describe_holder(root, holder))
            if left and not told:
                say("waiting for the end of a run that was killed")
                told = True
            time.sleep(_POLL_S)
        held = Held(file.fileno(), datetime.datetime.now(datetime.timezone.utc))
        held.tell()
        yield held


def _open_lock(path: Path) -> BinaryIO:
    try:
        return cast(BinaryIO, open(path, "r+b", buffering=0, opener=_open_or_make))
    except OSError as error:
        raise _unwritable(path, error.strerror, "--root") from error


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def _unwritable(path: Path, why: str | None, flag: str) -> UserError:
    return UserError(
        f"{path} can't be written{_whose(path)}: {why}; mend its permissions, or name another "
        f"directory with {flag}."
    )


def _whose(path: Path) -> str:
    """A clause, if it is another user's."""
    with suppress(OSError):
        owner = path.stat().st_uid
        if owner == os.geteuid():
            return ""
        with suppress(KeyError):
            return f", as it is {pwd.getpwuid(owner).pw_name}'s"
        return f", as it is user {owner}'s"
    return ""


def _try_lock(file: BinaryIO) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _read_holder(file: BinaryIO) -> Holder | None:
    with suppress(pydantic.ValidationError):
        return Holder.model_validate_json(os.pread(file.fileno(), 4096, 0))
    return None


def _describe_holder(root: Path, holder: Holder | None) -> str:
    if holder is None:
        who = f"Another run is using {root}"
    else:
        where = "" if holder.host == socket.gethostname() else f" on {holder.host}"
        since = holder.since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        who = f"Another run is using {root}, process {holder.command}{where} since {since}"
        if holder.is_killed():
            who += f", which was killed, and whose worker, process {holder.worker}, has not ended"
    return f"{who}: wait until it ends, or name another --root."


def is_locked(root: Path) -> bool:
    """Whether a run holds the root. Needs no permission to write."""
    try:
        with (root / ".lock").open() as file:
            # Shared, so that several may ask at once; it goes with the file.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
