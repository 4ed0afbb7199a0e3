"""The kinds of data: how each is recognised, what it is called, and how it gives TFRecords.

A new kind is one more class, named in `_Kind`.
"""

import abc
import fnmatch
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Annotated, ClassVar, Literal, get_args

import pydantic

from pipeline import config
from pipeline.data import idx, records, sample_images, splitting
from pipeline.data.idx import LabelledImages
from pipeline.data.preparation import SPLITS, ImageSource, Prepared, Source
from pipeline.errors import UserError, unreadable
from pipeline.fingerprint import sha256
from trainer_module import features

# As many as one needs to tell ten shapes apart, and to try everything within two minutes.
_SAMPLE_SIZES = {"train": 4000, "eval": 500, "test": 1000}

_WRITTEN = {"dataset.pattern": "it is for TFRecords of one's own"}


class OriginalSet(ImageSource):
    """The original training and test set, in whatever form they are."""

    @abc.abstractmethod
    def read_original(self) -> tuple[LabelledImages, LabelledImages]:
        """Reads the training and the test set.

        Raises:
            UserError: a file is missing or damaged, or can't be read.
        """

    def read(self, settings: config.Dataset) -> splitting.Splits:
        """Reads the images of each split."""
        train, test = self.read_original()
        return splitting.limit(
            {**splitting.set_aside_eval(train, settings), "test": test}, settings
        )

    def count(self) -> Mapping[str, Mapping[str, int]]:
        """Counts the training and the test set by class."""
        train, test = self.read_original()
        return {
            "training set": records.count_classes(train.labels),
            "test set": records.count_classes(test.labels),
        }

    def find_without_effect(self, settings: config.Dataset) -> dict[str, str]:
        """Why settings change nothing, a clause each."""
        if not features.DATASET.official:
            return _WRITTEN
        sizes = features.DATASET.official.sizes
        train = sizes["train"] - settings.eval_examples
        return _WRITTEN | _find_limit(settings, max(train, settings.eval_examples, sizes["test"]))


@dataclass(frozen=True)
class OfficialFiles(OriginalSet):
    """The four files as their makers publish them."""

    directory: Path
    kind: Literal["official"] = "official"

    verified: ClassVar[str] = "The four files are the official ones, by their SHA-256."

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return f"the official files in {self.directory}"

    @classmethod
    def recognise(cls, directory: Path, pattern: str) -> Source | None:
        """Takes a directory that has one of them: reading it says which files are missing."""
        found = any((directory / file.name).exists() for file in idx.OFFICIAL_FILES)
        return cls(directory) if found else None

    def fingerprint(self) -> list[str]:
        """What the files must be; reading them verifies it."""
        return [file.sha256 for file in idx.OFFICIAL_FILES]

    def read_original(self) -> tuple[LabelledImages, LabelledImages]:
        """Reads and verifies them."""
        return idx.read_official(self.directory)


@dataclass(frozen=True)
class TensorFlowDatasets(OriginalSet):
    """What TensorFlow Datasets prepared."""

    directory: Path
    kind: Literal["tfds"] = "tfds"

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return f"TensorFlow Datasets in {self.directory}"

    @classmethod
    def recognise(cls, directory: Path, pattern: str) -> Source | None:
        """Takes the newest version, of `3.0.1/` as well as `<dataset>/3.0.1/`."""
        info = "dataset_info.json"
        below = [*directory.glob(f"*/{info}"), *directory.glob(f"{cls.dataset}/*/{info}")]
        for file in [directory / info, *sorted(below, reverse=True)]:
            if file.exists():
                return cls(file.parent)
        return None

    def fingerprint(self) -> list[str]:
        """Hashes the files."""
        files = [file for split in ("train", "test") for file in self._files(split)]
        try:
            return [sha256(file) for file in files]
        except OSError as error:
            raise unreadable(self.directory, error) from error

    def read_original(self) -> tuple[LabelledImages, LabelledImages]:
        """Reads the records of both."""
        train, test = (
            records.read_labelled_images(self._files(split)) for split in ("train", "test")
        )
        return train, test

    def _files(self, split: str) -> list[Path]:
        files = sorted(self.directory.glob(f"{self.dataset}-{split}.tfrecord-*"))
        if not files:
            raise UserError(
                f"{self.directory} was prepared by TensorFlow Datasets but has no TFRecords of "
                f"{self.dataset}'s {split} split: prepare it anew, in the format tfrecord."
            )
        return files


@dataclass(frozen=True)
class OwnRecords(Source):
    """TFRecords of a person's own, which are taken as they are."""

    directory: Path
    kind: Literal["records"] = "records"

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return f"the TFRecords in {self.directory}"

    @classmethod
    def recognise(cls, directory: Path, pattern: str) -> Source | None:
        """Takes a directory that has one split: preparing it says which are missing."""
        found = any(find_newest(directory, pattern, split) for split in SPLITS)
        return cls(directory) if found else None

    def find_without_effect(self, settings: config.Dataset) -> dict[str, str]:
        """Why settings change nothing, a clause each."""
        why = "the TFRecords are taken as they are"
        return dict.fromkeys(("dataset.eval_examples", "dataset.max_examples", "dataset.seed"), why)

    def prepare(self, settings: config.Dataset, parent: Path) -> Prepared:
        """Checks that each split is there, and its first example; writes nothing."""
        for split in SPLITS:
            files = find_newest(self.directory, settings.pattern, split)
            if not files:
                raise UserError(
                    f"{self.directory} has no {split} split: write TFRecords named "
                    f"{settings.pattern.replace('{SPLIT}', split)}, or set dataset.pattern."
                )
            records.check_first_example(files[-1])
        content = self.fingerprint(settings.pattern)
        return Prepared(self, self.directory, settings.pattern, None, content)

    def fingerprint(self, pattern: str) -> str:
        """Hashes what the records of the newest span and version hold: 64 hexadecimal digits.

        Raises:
            UserError: a file can't be read.
        """
        digest = hashlib.sha256()
        try:
            for split in SPLITS:
                for file in find_newest(self.directory, pattern, split):
                    digest.update(f"{split} {sha256(file)}\n".encode())
        except OSError as error:
            raise unreadable(self.directory, error) from error
        return digest.hexdigest()


@dataclass(frozen=True)
class Sample(ImageSource):
    """Generated images.

    Attributes:
        fallback_reason: why they are taken though nobody asked for them.
    """

    fallback_reason: str | None = field(default=None, compare=False)
    kind: Literal["sample"] = "sample"

    dataset: ClassVar[str] = config.SAMPLE

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return "generated sample images"

    def find_without_effect(self, settings: config.Dataset) -> dict[str, str]:
        """Why settings change nothing, a clause each."""
        return {
            "paths.serving_dir": "the sample has a serving directory of its own",
            **_WRITTEN,
            **dict.fromkeys(("dataset.dir", "dataset.eval_examples"), "the sample is generated"),
            **_find_limit(settings, max(_SAMPLE_SIZES.values())),
        }

    def fingerprint(self) -> list[str]:
        """What is drawn besides what the settings say."""
        return [f"{split} {size}" for split, size in _SAMPLE_SIZES.items()]

    def read(self, settings: config.Dataset) -> splitting.Splits:
        """Reads the images of each split."""
        splits = {
            split: LabelledImages(*sample_images.draw(size, settings.seed + number))
            for number, (split, size) in enumerate(_SAMPLE_SIZES.items())
        }
        return splitting.limit(splits, settings)


_Kind = OfficialFiles | TensorFlowDatasets | OwnRecords | Sample

KINDS: tuple[type[Source], ...] = get_args(_Kind)
"""In the order in which a directory is asked whether it has such data."""

AnySource = Annotated[_Kind, pydantic.Field(discriminator="kind")]
"""A source that can cross to another process: `kind` says in JSON which one it is."""


def _find_limit(settings: config.Dataset, largest: int) -> dict[str, str]:
    if settings.max_examples is None or settings.max_examples < largest:
        return {}
    return {"dataset.max_examples": f"no split has more than {largest:,}"}


def find_newest(directory: Path, pattern: str, split: str) -> list[Path]:
    """Finds a split's TFRecords of the newest span and its newest version, sorted by name.

    Args:
        directory: where they are.
        pattern: with `{SPLIT}`, and `{SPAN}` and `{VERSION}` where there are some.
        split: its name.

    Raises:
        NotImplementedError, ValueError: the pattern is none.
        OSError: the directory can't be read.
    """
    named = pattern.replace("{SPLIT}", split)
    files = directory.glob(named.replace("{SPAN}", "*").replace("{VERSION}", "*"))
    if "{SPAN}" not in named:
        return sorted(files)
    regex = fnmatch.translate(str(PurePath(named)))
    for name in ("SPAN", "VERSION"):
        regex = regex.replace(rf"\{{{name}\}}", rf"(?P<{name}>\d+)", 1)
    found: dict[tuple[int, int], list[Path]] = {}
    for file in files:
        if match := re.match(regex, str(file.relative_to(directory))):
            numbers = match.groupdict(default="0")
            age = int(numbers.get("SPAN", 0)), int(numbers.get("VERSION", 0))
            found.setdefault(age, []).append(file)
    return sorted(found[max(found)]) if found else []
