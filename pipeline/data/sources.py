"""Where the data comes from: what is looked for, and in which order."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline import config, workspace
from pipeline.data import download, idx
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
        UserError: a directory that was named holds no such data, or a named dataset can't
            be had.
    """
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


def _recognise(directory: Path, pattern: str) -> Source:
    """Tells what kind of data a directory holds that a person named."""
    try:
        if not directory.is_dir():
            raise UserError(
                f"There is no directory {directory}: name one that has the data with --data-dir "
                f"or ${features.DATASET.variable}."
            )
        for kind in KINDS:
            if found := kind.recognise(directory, pattern):
                return found
    except (NotImplementedError, ValueError) as error:
        raise UserError(f"dataset.pattern = {pattern!r} is not allowed: {error}.") from error
    except OSError as error:
        raise unreadable(directory, error) from error
    names = ", ".join(file.name for file in idx.OFFICIAL_FILES)
    official = f"the four official files ({names}), " if names else ""
    raise UserError(
        f"{directory} has no data: it needs {official}a {features.DATASET.name} prepared by "
        f"TensorFlow Datasets, or TFRecords named {pattern}."
    )
