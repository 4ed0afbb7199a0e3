"""Fashion-MNIST as TFRecords: read it from where it is, split it, write it."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import config
from pipeline.data import idx, records, sample_images, sources
from pipeline.data.idx import LabelledImages
from pipeline.data.sources import Source
from pipeline.errors import UserError, unreadable
from pipeline.fingerprint import sha256

# What the records depend on besides their sources: a change of it makes them anew.
_FORMAT = 1
# As many as one needs to tell ten shapes apart, and to try everything within two minutes.
_SAMPLE_SIZES = {"train": 4000, "eval": 500, "test": 1000}
_OFFICIAL_SIZES = {"train": 60_000, "test": 10_000}


@dataclass(frozen=True)
class Prepared:
    """TFRecords, ready for ImportExampleGen.

    Attributes:
        name: `fashion_mnist`, or `sample` where the images are generated.
        directory: where the records are.
        pattern: their files below it, with `{SPAN}`, `{VERSION}` and `{SPLIT}`.
        origin: a phrase that tells a person where the data comes from.
        examples: examples by split and class name; None for TFRecords of one's own.
    """

    name: str
    directory: Path
    pattern: str
    origin: str
    examples: Mapping[str, Mapping[str, int]] | None

    @property
    def own(self) -> bool:
        """Whether they are TFRecords of one's own, taken as they are."""
        return self.examples is None


def find_without_effect(settings: config.Dataset, name: str, *, own: bool) -> dict[str, str]:
    """Finds the settings that change nothing in the records.

    Args:
        settings: how the data is split.
        name: the dataset's, as in `Prepared`.
        own: as in `Prepared`.

    Returns:
        Why, a clause each, by the setting.
    """
    if own:
        taken = "the TFRecords are taken as they are"
        return dict.fromkeys(("eval_examples", "max_examples", "seed"), taken)
    found = {"pattern": "it is for TFRecords of one's own"}
    if name == "sample":
        generated = "the sample is generated"
        found |= dict.fromkeys(("dir", "eval_examples"), generated)
        largest = max(_SAMPLE_SIZES.values())
    else:
        train = _OFFICIAL_SIZES["train"] - settings.eval_examples
        largest = max(train, settings.eval_examples, _OFFICIAL_SIZES["test"])
    if settings.max_examples is not None and settings.max_examples >= largest:
        found["max_examples"] = f"no split has more than {largest:,}"
    return found


def prepare(settings: config.Dataset, source: Source, parent: Path) -> Prepared:
    """Makes sure that there are records of the data, writing them where there are none.

    Args:
        settings: how the data is split.
        source: what `sources.find` found.
        parent: records are written to a directory below it, whose name tells them from
            records of other data or another split.

    Returns:
        The records. TFRecords of one's own are taken as they are.

    Raises:
        UserError: the data is damaged or not what it should be, or can't be written.
    """
    if source.kind == "records":
        return _check_own_records(settings, source)
    name = source.dataset
    unused = find_without_effect(settings, name, own=False)
    settings = settings.model_copy(
        update={key: config.Dataset.model_fields[key].default for key in unused}
    )
    manifest = {
        "dataset": name,
        "format": _FORMAT,
        "source": _fingerprint(source),
        "seed": settings.seed,
        "eval_examples": settings.eval_examples,
        "max_examples": settings.max_examples,
    }
    key = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()[:8]
    directory = parent / f"{name}-{key}"
    # Not Path.exists, which raises where permissions forbid to look: writing says it better.
    if not os.path.exists(directory):
        records.write_splits(directory, _read_splits(settings, source), manifest)
    examples = json.loads((directory / records.MANIFEST_FILE).read_text())["examples"]
    pattern = config.Dataset.model_fields["pattern"].default
    return Prepared(name, directory, pattern, source.origin, examples)


def read_original(source: Source) -> tuple[LabelledImages, LabelledImages]:
    """Reads the official training and test set, from either kind of directory.

    Args:
        source: `official` or `tfds`.

    Raises:
        UserError: a file is damaged, or can't be read.
    """
    if source.kind == "official":
        return idx.read_official(source.directory)
    train, test = (
        records.read_labelled_images(_tfds_files(source, split)) for split in ("train", "test")
    )
    return train, test


def _check_own_records(settings: config.Dataset, source: Source) -> Prepared:
    for split in sources.SPLITS:
        files = sources.glob_split(source.directory, settings.pattern, split)
        if not files:
            raise UserError(
                f"{source.directory} has no {split} split: write TFRecords named "
                f"{settings.pattern.replace('{SPLIT}', split)}, or set dataset.pattern."
            )
        records.check_first_example(files[-1])
    return Prepared(source.dataset, source.directory, settings.pattern, source.origin, None)


def _fingerprint(source: Source) -> list[str]:
    """What changes when the source does."""
    if source.kind == "official":
        return [file.sha256 for file in idx.OFFICIAL_FILES]
    if source.kind == "tfds":
        files = [file for split in ("train", "test") for file in _tfds_files(source, split)]
        try:
            return [sha256(file) for file in files]
        except OSError as error:
            raise unreadable(source.directory, error) from error
    return [f"{split} {size}" for split, size in _SAMPLE_SIZES.items()]


def _tfds_files(source: Source, split: str) -> list[Path]:
    files = sorted(source.directory.glob(f"fashion_mnist-{split}.tfrecord-*"))
    if not files:
        raise UserError(
            f"{source.directory} was prepared by TensorFlow Datasets but has no TFRecords of "
            f"fashion_mnist's {split} split: prepare it anew, in the format tfrecord."
        )
    return files


def _read_splits(settings: config.Dataset, source: Source) -> dict[str, LabelledImages]:
    if source.kind == "sample":
        splits = {
            split: LabelledImages(*sample_images.draw(size, settings.seed + number))
            for number, (split, size) in enumerate(_SAMPLE_SIZES.items())
        }
    else:
        train, test = read_original(source)
        splits = {**_set_aside_eval(train, settings), "test": test}
    if settings.max_examples is None:
        return splits
    random = np.random.default_rng(settings.seed)
    return {
        name: _take(split, _stratified(split.labels, settings.max_examples, random))
        for name, split in splits.items()
    }


def _set_aside_eval(train: LabelledImages, settings: config.Dataset) -> dict[str, LabelledImages]:
    """Splits the official training set into `train`, shuffled, and `eval`, stratified."""
    if settings.eval_examples >= len(train.labels):
        raise UserError(
            f"dataset.eval_examples = {settings.eval_examples} leaves nothing to train on: it "
            f"should be less than {len(train.labels)}."
        )
    random = np.random.default_rng(settings.seed)
    evaluation = _stratified(train.labels, settings.eval_examples, random)
    rest = random.permutation(np.setdiff1d(np.arange(len(train.labels)), evaluation))
    return {"train": _take(train, rest), "eval": _take(train, evaluation)}


def _take(split: LabelledImages, indices: np.ndarray) -> LabelledImages:
    return LabelledImages(split.images[indices], split.labels[indices])


def _stratified(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draws indices so that each class keeps its share: int64 [min(count, N)]."""
    count = min(count, len(labels))
    shuffled = random.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced over the classes laid side by side.
    positions = (np.arange(count) + 0.5) * len(labels) / count
    return random.permutation(by_class[positions.astype(np.int64)])
