"""The kinds of data: how each is recognised, what it is called, and how it gives TFRecords.

A new kind is one more class, named in `_Kind`.
"""

import abc
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Annotated, ClassVar, Literal, get_args

import pydantic

from pipeline import config, workspace
from pipeline.data import (
    checking,
    idx,
    patterns,
    quarantine,
    records,
    sample_images,
    splitting,
)
from pipeline.data.idx import LabelledImages
from pipeline.data.preparation import Counted, ImageSource, Prepared, SetAside, Source
from pipeline.data.shards import find_lost_shard
from pipeline.errors import UserError, unreadable
from pipeline.fingerprint import sha256
from trainer_module import features

# As many as one needs to tell ten shapes apart, and to try everything within two minutes.
_SAMPLE_SIZES = {"train": 4000, "eval": 500, "test": 1000}

_PREPARE_ANEW, _WRITE_ANEW = "prepare it anew", "copy or write it anew"

_VERIFIED = "Every record is whole, and every example is what it must be."

_TFDS_INFO = "dataset_info.json"

_WRITTEN = dict.fromkeys(
    (
        "dataset.pattern",
        "dataset.window",
        "dataset.bad_examples",
        "dataset.max_bad_fraction",
        "dataset.max_bad_examples",
    ),
    "it is for TFRecords of one's own",
)


class _DescribedSplit(pydantic.BaseModel):
    name: str
    # As strings, since JSON has no 64 bits.
    shard_lengths: list[pydantic.NonNegativeInt] = pydantic.Field([], alias="shardLengths")


class _Description(pydantic.BaseModel):
    """What is read of a `dataset_info.json` of TensorFlow Datasets."""

    splits: list[_DescribedSplit] = []


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

    def count(self, settings: config.Dataset) -> Counted:
        """Counts the training and the test set by class."""
        train, test = self.read_original()
        return Counted(
            {
                "training set": records.count_classes(train.labels),
                "test set": records.count_classes(test.labels),
            }
        )

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
        found = any(idx.find_official(directory, file) for file in idx.OFFICIAL_FILES)
        return cls(directory) if found else None

    @classmethod
    def recognise_below(cls, directory: Path) -> Source | None:
        """Takes one of the directories up to two levels below, if it has them.

        MNIST has files of the same names, so the smallest must be the official one: Keras and
        torchvision keep both side by side.
        """
        if not idx.OFFICIAL_FILES:
            return None
        smallest = idx.OFFICIAL_FILES[-1]
        for depth in ("*", "*/*"):
            for file in sorted(directory.glob(f"{depth}/{PurePath(smallest.name).stem}*")):
                if idx.is_official(file, smallest):
                    return cls(file.parent)
        return None

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

    verified: ClassVar[str] = _VERIFIED

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return f"TensorFlow Datasets in {self.directory}"

    @classmethod
    def recognise(cls, directory: Path, pattern: str) -> Source | None:
        """Takes the newest version, of `3.0.1/` as well as `<dataset>/3.0.1/`."""
        below = [
            place
            for depth in ("*", f"{cls.dataset}/*")
            for place in directory.glob(f"{depth}/{_TFDS_INFO}")
        ]
        for file in [directory / _TFDS_INFO, *sorted(below, reverse=True)]:
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
        """Checks and reads the records of both."""
        files = {split: self._files(split) for split in ("train", "test")}
        counts = checking.count_examples(files, _PREPARE_ANEW)
        for split, said in self._read_sizes().items():
            there = sum(counts[split].values()) if split in counts else said
            if there != said:
                raise UserError(
                    f"{self.directory} has {there:,} examples of {split}, and its {_TFDS_INFO} "
                    f"says {said:,}: {_PREPARE_ANEW}."
                )
        train, test = (records.read_labelled_images(some) for some in files.values())
        return train, test

    def _read_sizes(self) -> dict[str, int]:
        """How many examples each split has by the description; empty where it says nothing."""
        file = self.directory / _TFDS_INFO
        try:
            info = _Description.model_validate_json(file.read_bytes())
        except OSError as error:
            raise unreadable(file, error) from error
        except pydantic.ValidationError as error:
            raise UserError(
                f"{file} is damaged, it is no description by TensorFlow Datasets: {_PREPARE_ANEW}."
            ) from error
        return {one.name: sum(one.shard_lengths) for one in info.splits if one.shard_lengths}

    def _files(self, split: str) -> list[Path]:
        files = sorted(self.directory.glob(f"{self.dataset}-{split}.tfrecord-*"))
        if not files:
            raise UserError(
                f"{self.directory} was prepared by TensorFlow Datasets but has no TFRecords of "
                f"{self.dataset}'s {split} split: {_PREPARE_ANEW}, in the format tfrecord."
            )
        if lost := find_lost_shard(files):
            raise UserError(
                f"{self.directory} lacks {lost}, of which the name of {files[0].name} tells: "
                f"{_PREPARE_ANEW}."
            )
        return files


@dataclass(frozen=True)
class OwnRecords(Source):
    """TFRecords of a person's own, which are taken as they are."""

    directory: Path
    kind: Literal["records"] = "records"

    verified: ClassVar[str] = _VERIFIED

    @property
    def origin(self) -> str:
        """A phrase for a person."""
        return f"the TFRecords in {self.directory}"

    @classmethod
    def recognise(cls, directory: Path, pattern: str) -> Source | None:
        """Takes a directory that has one file of one split, and says what else it lacks."""
        if not patterns.matches_any(directory, pattern):
            return None
        # Beam and TFX look for the files by the whole path.
        workspace.check_no_wildcards(directory, "--data-dir")
        patterns.find_newest(directory, pattern)
        return cls(directory)

    def find_without_effect(self, settings: config.Dataset) -> dict[str, str]:
        """Why settings change nothing, a clause each."""
        why = "the TFRecords are taken as they are"
        unused = dict.fromkeys(
            ("dataset.eval_examples", "dataset.max_examples", "dataset.seed"), why
        )
        if not patterns.has_spans(settings.pattern):
            unused["dataset.window"] = "dataset.pattern has no spans"
        if settings.bad_examples == "refuse":
            limits = ("dataset.max_bad_fraction", "dataset.max_bad_examples")
            unused |= dict.fromkeys(limits, "dataset.bad_examples is refuse")
        return unused

    def prepare(
        self,
        settings: config.Dataset,
        parent: Path,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Prepared:
        """Checks every example of each split of the newest span; writes nothing if none is bad."""
        return self.prepare_span(settings, parent, self.find_spans(settings.pattern)[-1])

    def prepare_span(
        self, settings: config.Dataset, parent: Path, edition: patterns.Edition
    ) -> Prepared:
        """Does as `prepare` for a span that is not the newest."""
        pattern = patterns.ask_for(self.directory, settings.pattern, edition)
        span = edition.span if patterns.has_spans(settings.pattern) else None
        checked = self._check(settings.model_copy(update={"pattern": edition.pattern}))
        if not checked.bad_in_all:
            content = _hash(checked)
            return Prepared(self, self.directory, pattern, checked.examples, content, span)
        directory = parent / f"{self.dataset}-{quarantine.make_key(self.directory, checked)}"
        quarantine.write_copy(self.directory, checked, directory)
        set_aside = SetAside(checked.bad_in_all, checked.in_all, str(directory))
        return Prepared(self, directory, pattern, checked.examples, span=span, set_aside=set_aside)

    def find_spans(self, pattern: str) -> list[patterns.Edition]:
        """Finds the newest version of each span, the oldest first.

        Raises:
            UserError: as of `patterns.find_spans`.
        """
        try:
            return patterns.find_spans(self.directory, pattern)
        except OSError as error:
            raise unreadable(self.directory, error) from error

    def count(self, settings: config.Dataset) -> Counted:
        """Checks and counts the newest span and version, by split and class."""
        checked = self._check(settings)
        return Counted(checked.examples, checked.bad_in_all)

    def _check(self, settings: config.Dataset) -> checking.Checked:
        files = self._find(settings.pattern)
        checked = checking.check_examples(files, _WRITE_ANEW, settings.max_bad_examples)
        quarantine.check_allowed(checked, settings, _WRITE_ANEW)
        checking.require_examples(checked, _WRITE_ANEW)
        return checked

    def _find(self, pattern: str) -> dict[str, list[Path]]:
        try:
            return patterns.find_newest(self.directory, pattern)
        except OSError as error:
            raise unreadable(self.directory, error) from error


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


def _hash(checked: checking.Checked) -> str:
    """Hashes what records hold: 64 hexadecimal digits, the same wherever they are."""
    digest = hashlib.sha256()
    for split, files in checked.splits.items():
        for file in files:
            digest.update(f"{split} {checked.sha256[file]}\n".encode())
    return digest.hexdigest()


def _find_limit(settings: config.Dataset, largest: int) -> dict[str, str]:
    if settings.max_examples is None or settings.max_examples < largest:
        return {}
    return {"dataset.max_examples": f"no split has more than {largest:,}"}
