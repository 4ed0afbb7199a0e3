"""What data that was found can do, of whatever kind it is, and how it becomes TFRecords."""

import abc
import hashlib
import json
import logging
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline import config
from pipeline.data import records
from pipeline.data.splitting import Splits
from trainer_module import features

SPLITS = ("train", "eval", "test")
"""As in the records, in the graph and in ML Metadata."""

_logger = logging.getLogger(__name__)

# What the records depend on besides their sources: a change of it makes them anew.
_FORMAT = 1


@dataclass(frozen=True)
class Counted:
    """What data holds.

    Attributes:
        examples: by set and class name; empty where that tells nothing.
        bad: how many others there are, that would be set aside.
    """

    examples: Mapping[str, Mapping[str, int]]
    bad: int = 0


class Source(abc.ABC):
    """Data that was found, not yet read; its kinds are in `kinds`.

    Attributes:
        dataset: the dataset's name, which decides on pipeline and directories.
        verified: what `count` has verified besides, a sentence.
    """

    dataset: ClassVar[str] = features.DATASET.name
    verified: ClassVar[str] = ""

    @property
    @abc.abstractmethod
    def origin(self) -> str:
        """A phrase that tells a person where the data comes from."""

    @classmethod
    def recognise(cls, directory: Path, pattern: str) -> "Source | None":
        """Makes a source of a directory that a person named; None if it has no such data.

        Args:
            directory: it is there.
            pattern: the setting `dataset.pattern`, one that `patterns.check` lets pass.

        Raises:
            UserError: it has some, but not all, or under names that can't be read.
            OSError: the directory can't be read.
        """
        return None

    @abc.abstractmethod
    def find_without_effect(self, settings: config.Dataset) -> dict[str, str]:
        """Finds the settings that change nothing with this kind of data.

        Args:
            settings: how the data is split.

        Returns:
            Why, a clause each, by the setting with its group, such as `dataset.seed`.
        """

    @abc.abstractmethod
    def prepare(
        self,
        settings: config.Dataset,
        parent: Path,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> "Prepared":
        """Makes sure that there are records of the data.

        Args:
            settings: how the data is split.
            parent: what is written goes to a directory below it.
            meanwhile: called while other processes write good data, if they do.

        Raises:
            UserError: the data is damaged or not what it should be, or can't be written.
        """

    def count(self, settings: config.Dataset) -> Counted:
        """Reads the data and counts it.

        Args:
            settings: how it is laid out.

        Raises:
            UserError: as of `prepare`.
        """
        return Counted({})


@dataclass(frozen=True)
class SetAside:
    """Examples that are not what examples must be, and are not among the records.

    Attributes:
        examples: how many.
        of: how many there are in all.
        directory: of the records, where they are kept.
    """

    examples: int
    of: int
    directory: str


@dataclass(frozen=True)
class Before:
    """What there is of the accepted spans before one.

    Attributes:
        examples: whether there are those of one, to measure on.
        statistics: whether there are those of one, to compare with.
    """

    examples: bool = False
    statistics: bool = False


@dataclass(frozen=True)
class Prepared:
    """TFRecords, ready for ImportExampleGen.

    Attributes:
        source: where they come from.
        directory: where the records are.
        pattern: their files below it, with `{SPAN}`, `{VERSION}` and `{SPLIT}`.
        examples: examples by split and class name.
        content: changes with what the records hold; empty where `directory` does.
        span: the number of theirs, as TFX counts it; None where `pattern` tells it.
        set_aside: what is not among them, if some of the data is not.
    """

    source: Source
    directory: Path
    pattern: str
    examples: Mapping[str, Mapping[str, int]]
    content: str = ""
    span: int | None = None
    set_aside: SetAside | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Examples by split."""
        return {split: sum(classes.values()) for split, classes in self.examples.items()}

    def describe_set_aside(self, root: Path) -> list[str]:
        """Says what is not among them, a sentence; none where all is.

        Args:
            root: of the run, in whose records they are.
        """
        if self.set_aside is None:
            return []
        count, of = self.set_aside.examples, self.set_aside.of
        were = "was" if count == 1 else "were"
        return [
            f"{count:,} of {of:,} examples {were} set aside, not being what examples must be: "
            f"`python -m pipeline.dataset quarantine --root {shlex.quote(str(root))}` lists them"
        ]

    def pattern_of(self, split: str) -> str:
        """The files of one split below the directory."""
        return self.pattern.replace("{SPLIT}", split)


class ImageSource(Source):
    """Images that are written as TFRecords, into a directory whose name tells them from others."""

    @abc.abstractmethod
    def fingerprint(self) -> list[str]:
        """What changes when the images do.

        Raises:
            UserError: a file can't be read.
        """

    @abc.abstractmethod
    def read(self, settings: config.Dataset) -> Splits:
        """Reads the images of each split.

        Raises:
            UserError: as of `prepare`.
        """

    def prepare(
        self,
        settings: config.Dataset,
        parent: Path,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Prepared:
        """Writes the records where there are none of these images and settings, or not all."""
        settings = self._normalize(settings)
        manifest = {
            "dataset": self.dataset,
            "format": _FORMAT,
            "source": self.fingerprint(),
            "seed": settings.seed,
            "eval_examples": settings.eval_examples,
            "max_examples": settings.max_examples,
        }
        key = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()[:8]
        directory = parent / f"{self.dataset}-{key}"
        # Not Path.exists, which raises where permissions forbid to look: writing says it better.
        there = os.path.exists(directory)
        examples = records.read_counts(directory, SPLITS) if there else None
        if examples is None:
            splits = self.read(settings)
            if there:
                _logger.warning("%s is not as it was written: it is prepared again", directory)
                records.remove(directory)
            examples = records.write_splits(directory, splits, manifest, meanwhile=meanwhile)
        return Prepared(self, directory, settings.pattern, examples)

    def _normalize(self, settings: config.Dataset) -> config.Dataset:
        """Leaves at its default what has no effect, so that the same records have one name."""
        unused = self.find_without_effect(settings)
        fields = config.Dataset.model_fields
        return settings.model_copy(
            update={key: fields[key].default for key in fields if f"dataset.{key}" in unused}
        )
