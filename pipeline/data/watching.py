"""Waiting for new spans in a directory: which one is whole, and no longer being written."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import config, workspace
from pipeline.data import patterns
from pipeline.errors import UserError
from trainer_module import features

INTERVAL_S = 10.0
"""Between two looks, if a person names no other: listing a directory costs next to nothing."""


@dataclass(frozen=True)
class Place:
    """Where spans arrive.

    Attributes:
        directory: of TFRecords of one's own.
        pattern: the setting `dataset.pattern`, which has a span.
    """

    directory: Path
    pattern: str

    @classmethod
    def of(cls, settings: config.Dataset) -> "Place":
        """Finds the place that the settings or the environment name.

        Raises:
            UserError: they name none in which spans can arrive.
        """
        patterns.check(settings.pattern)
        named = settings.dir or os.environ.get(features.DATASET.variable)
        if settings.name == config.SAMPLE or not named:
            raise UserError(
                "--watch waits for spans of TFRecords of your own: name their directory with "
                "--data-dir."
            )
        directory = workspace.expand(Path(named))
        if not directory.is_dir():
            raise UserError(f"There is no directory {directory}: make it, or name another.")
        if not patterns.has_spans(settings.pattern):
            raise UserError(
                f"--watch waits for spans, and dataset.pattern = {settings.pattern!r} has none: "
                "put {SPAN} into it, or {YYYY}, {MM} and {DD}."
            )
        return cls(directory, settings.pattern)

    def look(self) -> "Look":
        """Looks at what is there now."""
        try:
            newest = patterns.find_spans(self.directory, self.pattern)[-1]
            files = patterns.find_newest(self.directory, self.pattern)
            found = [(file, file.stat()) for some in files.values() for file in some]
        except UserError as error:
            return Look(lacks=str(error))
        except OSError as error:
            # It may be on a disk that comes back; and a file may go as it is looked at.
            return Look(lacks=f"{error.filename} can't be read: {error.strerror}.")
        return Look(
            patterns.name_span(self.pattern, newest.span),
            tuple((str(file), stat.st_size, stat.st_mtime_ns) for file, stat in found),
        )


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        span: the name of the newest span; empty if it is not whole.
        files: its files, with their sizes and times.
        lacks: what keeps it from being whole, a sentence; empty if it is.
    """

    span: str = ""
    files: tuple[tuple[str, int, int], ...] = ()
    lacks: str = ""


def arrivals(
    place: Place,
    seconds: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Yields the name of each span once it is whole and has not changed between two looks.

    It never ends. What was there from the start comes first; a span whose files change later comes
    again.

    Args:
        place: where spans arrive.
        seconds: between two looks.
        say: told what a span lacks that is not whole, once.
        sleep: waits for so many seconds.
    """
    before = taken = None
    said = ""
    while True:
        now = place.look()
        if now.lacks != said:
            said = now.lacks
            if said:
                say(said)
        if now == before and now.span and now != taken:
            taken = now
            yield now.span
        before = now
        sleep(seconds)
