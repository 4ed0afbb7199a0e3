"""Where the data comes from: what is looked for, and in which order."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline import config, workspace
from pipeline.data import contents, download, idx, patterns
from pipeline.data.kinds import KINDS, OfficialFiles, Sample
from pipeline.data.preparation import Source
from pipeline.errors import UserError, unreadable
from trainer_module import features


def find(
    settings: config.Dataset,
    progress: download.Progress,
    environment: Mapping[str, str] = os.environ,
    project: Path = config.PROJECT_DIRECTORY,
    fetch: Callable[[Path, download.Progress], None] = download.download_missing,
) -> Source:
    """Finds the data, downloading the official files where they are not on this machine.

    Args:
        settings: `name` and `dir` decide what is looked for.
        progress: told of every block downloaded.
        environment: may name a directory, in the dataset's variable.
        project: the checkout, which has `data/` in it and `../shared` beside it.
        fetch: downloads what a directory lacks.

    Returns:
        Where the data is. With the name `auto` and no way to get at the dataset, the sample.

    Raises:
        UserError: a directory that was named holds no such data, a named dataset can't be had,
            or `dataset.pattern` is none.
    """
    patterns.check(settings.pattern)
    if settings.name == Sample.dataset:
        return Sample()
    named = settings.dir or environment.get(features.DATASET.variable)
    if named:
        return _recognise(workspace.expand(Path(named)), settings.pattern)
    data = project / "data"
    for directory in (data, project.parent / "shared" / features.DATASET.shared_directory):
        if _has_all_files(directory):
            return OfficialFiles(directory)
    try:
        fetch(data, progress)
    except download.UnreachableError as error:
        if settings.name == config.AUTO:
            return Sample(fallback_reason=str(error))
        raise
    return OfficialFiles(data)


def _has_all_files(directory: Path) -> bool:
    names = [file.name for file in idx.OFFICIAL_FILES]
    # Not Path.exists, which raises where permissions forbid to look.
    return bool(names) and all(os.path.exists(directory / name) for name in names)


def _recognise(path: Path, pattern: str) -> Source:
    """Tells what kind of data a directory holds that a person named, or one below it."""
    try:
        if path.is_file():
            raise UserError(f"{path} is a file, {contents.describe_file(path)}.")
        if not path.is_dir():
            raise UserError(
                f"There is no directory {path}: name one that has the data with --data-dir "
                f"or ${features.DATASET.variable}."
            )
        for kind in KINDS:
            if found := kind.recognise(path, pattern):
                return found
        if found := OfficialFiles.recognise_below(path):
            return found
        there = contents.describe_directory(path)
    except OSError as error:
        raise unreadable(path, error) from error
    names = ", ".join(file.name for file in idx.OFFICIAL_FILES)
    official = f"the four official files ({names}), " if names else ""
    raise UserError(
        f"{path} has no data: it needs {official}a {features.DATASET.name} prepared by TensorFlow "
        f"Datasets, or TFRecords named {pattern}, and it has {there}."
    )
