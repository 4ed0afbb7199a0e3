"""Where the data comes from: what is looked for, in which order, and how it is recognised."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import config, workspace
from pipeline.data import download, idx
from pipeline.errors import UserError, unreadable

ENVIRONMENT_VARIABLE = "FASHION_MNIST_DIR"

SPLITS = ("train", "eval", "test")
"""As in the records, in the graph and in ML Metadata."""


@dataclass(frozen=True)
class Source:
    """Data that was found, not yet read.

    Attributes:
        kind: `official`, `tfds`, `records` or `sample`.
        directory: where it is; None for the sample, which is generated.
        fallback_reason: why it is the sample though nobody asked for that.
    """

    kind: str
    directory: Path | None
    fallback_reason: str | None = field(default=None, compare=False)

    @property
    def dataset(self) -> str:
        """The dataset's name: `sample` where the images are generated."""
        return "sample" if self.kind == "sample" else "fashion_mnist"

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return {
            "official": f"the official files in {self.directory}",
            "tfds": f"TensorFlow Datasets in {self.directory}",
            "records": f"the TFRecords in {self.directory}",
            "sample": "generated sample images",
        }[self.kind]


def find(
    settings: config.Dataset,
    progress: download.Progress,
    environment: Mapping[str, str] = os.environ,
    project: Path = config.PROJECT_DIRECTORY,
    fetch: Callable[[Path, download.Progress], None] = download.download_missing,
) -> Source:
    """Finds the data, downloading Fashion-MNIST where it is not on this machine.

    Args:
        settings: `name` and `dir` decide what is looked for.
        progress: told of every block downloaded.
        environment: may name a directory in `FASHION_MNIST_DIR`.
        project: the checkout, which has `data/` in it and `../shared` beside it.
        fetch: downloads what a directory lacks.

    Returns:
        Where the data is. With the name `auto` and no way to get at Fashion-MNIST, the sample.

    Raises:
        UserError: a directory that was named holds no such data, or a named dataset can't
            be had.
    """
    if settings.name == "sample":
        return Source("sample", None)
    named = settings.dir or environment.get(ENVIRONMENT_VARIABLE)
    if named:
        return _recognise(workspace.expand(Path(named)), settings.pattern)
    data, shared = project / "data", project.parent / "shared" / "fashion-mnist"
    for directory in (data, shared):
        # Not Path.exists, which raises where permissions forbid to look.
        if all(os.path.exists(directory / file.name) for file in idx.OFFICIAL_FILES):
            return Source("official", directory)
    try:
        fetch(data, progress)
    except download.UnreachableError as error:
        if settings.name == "auto":
            return Source("sample", None, fallback_reason=str(error))
        raise
    return Source("official", data)


def _recognise(directory: Path, pattern: str) -> Source:
    """Tells what kind of data a directory holds that a person named."""
    try:
        if not directory.is_dir():
            raise UserError(
                f"There is no directory {directory}: name one that has the data with --data-dir "
                f"or ${ENVIRONMENT_VARIABLE}."
            )
        if any((directory / file.name).exists() for file in idx.OFFICIAL_FILES):
            return Source("official", directory)
        for info in [directory / "dataset_info.json", *_tfds_versions(directory)]:
            if info.exists():
                return Source("tfds", info.parent)
        if any(glob_split(directory, pattern, split) for split in SPLITS):
            return Source("records", directory)
    except (NotImplementedError, ValueError) as error:
        raise UserError(f"dataset.pattern = {pattern!r} is not allowed: {error}.") from error
    except OSError as error:
        raise unreadable(directory, error) from error
    raise UserError(
        f"{directory} has no data: it needs the four official files "
        f"({', '.join(file.name for file in idx.OFFICIAL_FILES)}), a fashion_mnist prepared by "
        f"TensorFlow Datasets, or TFRecords named {pattern}."
    )


def _tfds_versions(directory: Path) -> list[Path]:
    """The newest first, of `3.0.1/` as well as `fashion_mnist/3.0.1/`."""
    patterns = ("*/dataset_info.json", "fashion_mnist/*/dataset_info.json")
    return sorted((info for pattern in patterns for info in directory.glob(pattern)), reverse=True)


def glob_split(directory: Path, pattern: str, split: str) -> list[Path]:
    """Finds a split's TFRecords of any span and version, sorted by name."""
    wildcard = pattern.replace("{SPAN}", "*").replace("{VERSION}", "*")
    return sorted(directory.glob(wildcard.replace("{SPLIT}", split)))
