"""Where a run keeps what it makes: every path derives from one root."""

import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    """Resolves a path, `~` being the home directory."""
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
    except OSError as error:
        raise UserError(
            f"{directory} can't be written: {error.strerror}; mend its permissions, or name "
            f"another directory with {flag}."
        ) from error


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Holds the root for one run; the lock goes with the process, however that ends.

    Raises:
        UserError: another run holds it.
    """
    with (root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"Another run is using {root}: wait until it ends, or name another --root."
            ) from None
        yield


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
