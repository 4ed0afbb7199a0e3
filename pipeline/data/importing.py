"""Takes images as people have them, and writes them as TFRecords that the pipeline reads.

`forms` has a module for each form. Where a split is missing, it is drawn from `train`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.data import records, splitting
from pipeline.data.forms import class_folders, csv_tables, naming, npz_arrays, parquet_tables
from pipeline.data.idx import LabelledImages
from pipeline.data.preparation import SPLITS
from pipeline.errors import UserError
from trainer_module import features

# As the makers of Fashion-MNIST divided its 70,000 images, and this project what they train on.
_SHARES = {"test": 1 / 7, "eval": 1 / 12}

_Reader = Callable[[Path], Mapping[str, LabelledImages]]


@dataclass(frozen=True)
class Drawing:
    """How splits are drawn that are not there.

    Attributes:
        seed: of the random numbers.
        counts: the examples of a split; where it is not named, `test` gets a seventh of `train`,
            and `eval` a twelfth of the rest.
    """

    seed: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    def count(self, split: str, among: int) -> int:
        """The number of examples that a split gets of so many."""
        return self.counts.get(split) or max(1, round(among * _SHARES[split]))


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
        origin: a phrase that tells a person where the images come from.
        directory: where the records are.
        examples: examples by split and class name.
        drawn: the splits that were drawn.
    """

    origin: str
    directory: Path
    examples: Mapping[str, Mapping[str, int]]
    drawn: Sequence[str]


@dataclass(frozen=True)
class _Found:
    """Images that were found, by form and by file; a folder of classes is one."""

    form: str
    files: Sequence[Path]
    read: _Reader


def import_images(source: Path, directory: Path, drawing: Drawing) -> Imported:
    """Reads images, and writes them as TFRecords, all of them or none.

    Args:
        source: a file, or a directory of them.
        directory: gets the records; it must not exist, or be empty.
        drawing: how splits are drawn that the source does not have.

    Raises:
        UserError: the source is not there, or of no known form, or not as it should be; or the
            directory has something in it, or can't be written.
    """
    records.check_empty(directory)
    found = _recognise(source)
    there = _read(found)
    _check_brightness(source, there)
    splits = _complete(there, drawing, source)
    origin = f"{found.form} in {source}"
    drawn = [split for split in SPLITS if split not in there]
    manifest = {
        "dataset": features.DATASET.name,
        "source": origin,
        "seed": drawing.seed,
        "drawn": drawn,
    }
    written = records.write_splits(directory, splits, manifest, elsewhere="as DIR")
    examples = {split: written[split] for split in SPLITS}
    return Imported(origin, directory, examples, drawn)


def _recognise(source: Path) -> _Found:
    """Tells in which form a person has the images, by the names of the files."""
    try:
        directory = source.is_dir()
        if not directory and not source.exists():
            raise UserError(f"There is no {source}: name a file or a directory of images.")
        files = sorted(source.iterdir()) if directory else [source]
        found = [
            _Found(form, fitting, read)
            for form, (suffixes, read) in _FORMS.items()
            if (fitting := [file for file in files if _ends(file, suffixes)])
        ]
        if len(found) > 1:
            forms = " and ".join(one.form for one in found)
            raise UserError(f"{source} has {forms}: name the file that is meant.")
        if found:
            return found[0]
        if any(file.is_dir() and not file.name.startswith(".") for file in files):
            return _Found("pictures", [source], class_folders.read)
    except OSError as error:
        raise UserError(
            f"{error.filename or source} can't be read: {error.strerror}; mend its permissions."
        ) from error
    raise UserError(
        f"{source} has no images: name a CSV, Parquet or npz file, a directory of them, or one "
        "with a folder of pictures for each class."
    )


def _ends(file: Path, suffixes: Sequence[str]) -> bool:
    return file.name.lower().endswith(tuple(suffixes)) and not file.name.startswith(".")


def _undivided(read: Callable[[Path], LabelledImages]) -> _Reader:
    return lambda file: {"train": read(file)}


_FORMS: Mapping[str, tuple[Sequence[str], _Reader]] = {
    "CSV": (csv_tables.SUFFIXES, _undivided(csv_tables.read)),
    "Parquet": (parquet_tables.SUFFIXES, _undivided(parquet_tables.read)),
    "npz": (npz_arrays.SUFFIXES, npz_arrays.read),
}
"""How the names of its files end, and what reads one of them, by form."""


def _read(found: _Found) -> Mapping[str, LabelledImages]:
    if len(found.files) == 1:
        return found.read(found.files[0])
    parts: dict[str, list[LabelledImages]] = {}
    for file in found.files:
        split = naming.find_split(file.name)
        if split is None or found.read is npz_arrays.read:
            raise UserError(
                f"{file} is not the only {found.form} there, and not one for each of "
                f"{', '.join(SPLITS)} by its name: name the one that is meant, or rename it."
            )
        parts.setdefault(split, []).append(found.read(file)["train"])
    return {split: _concatenate(images) for split, images in parts.items()}


def _concatenate(parts: Sequence[LabelledImages]) -> LabelledImages:
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _check_brightness(source: Path, splits: Mapping[str, LabelledImages]) -> None:
    brightest = max(int(split.images.max()) for split in splits.values())
    if brightest <= 1:
        raise UserError(
            f"{source} has no pixel above {brightest}, and they are whole numbers from 0 to 255: "
            "multiply them by 255."
        )


def _complete(
    found: Mapping[str, LabelledImages], drawing: Drawing, source: Path
) -> Mapping[str, LabelledImages]:
    """Draws what is missing: `test` first, as nothing else may depend on it."""
    if "train" not in found:
        raise UserError(f"{source} has {', '.join(found)} but nothing to train on: add it.")
    train, splits = found["train"], dict(found)
    for split in _SHARES:
        if split in found:
            if split in drawing.counts:
                raise UserError(
                    f"{source} has its own {split}, so that none is drawn: leave out "
                    f"--{split}-examples."
                )
            continue
        count = drawing.count(split, len(train.labels))
        if count >= len(train.labels):
            raise UserError(
                f"{count} examples for {split} leave nothing to train on of the "
                f"{len(train.labels)} in {source}: name fewer with --{split}-examples."
            )
        train, splits[split] = splitting.set_aside(train, count, drawing.seed)
    return {**splits, "train": train}
