"""What is in a store at one moment, as its directory and its manifest have it."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.model_store import layout, manifest
from components.model_store.layout import Listing
from components.model_store.manifest import Manifest, Record
from components.model_store.models_config import Entry, ModelsConfig

WITHDRAWN = ".withdrawn"
"""In the model's directory: versions that were moved aside."""


@dataclass(frozen=True)
class Version:
    """One version of the model.

    Attributes:
        number: its number.
        path: its directory, whose name may have leading zeros.
        record: None for a version that was not pushed by this project.
        visible: whether a model server finds it; else it was moved aside.
        live: whether it is the one that is served by default.
        pinned: whether it stays live when others are pushed.
        servable: whether it is a SavedModel; a version that was pushed may be none any more.
    """

    number: int
    path: Path
    record: Record | None
    visible: bool
    live: bool
    pinned: bool
    servable: bool


@dataclass(frozen=True)
class Snapshot:
    """What is in a store.

    Attributes:
        directory: the model's.
        known: its manifest.
        visible: what a model server finds.
        aside: what was moved aside.
    """

    directory: Path
    known: Manifest
    visible: Listing
    aside: Listing

    @classmethod
    def take(cls, directory: Path, known: Manifest | None = None) -> "Snapshot":
        """Looks; needs no permission to write.

        Args:
            directory: the model's; may be missing.
            known: its manifest; read if None.

        Raises:
            StoreError: the directory or the manifest can't be read.
        """
        known = manifest.read(directory) if known is None else known
        # A push that was moved aside is not what has its name now.
        pushed = {n for n, record in known.records.items() if record.withdrawn is None}
        visible = layout.scan(directory, pushed)
        aside = directory / WITHDRAWN
        # A file or a link in that place is in the way of a rollback, and of nothing else.
        own = layout.is_own_directory(aside)
        listing = layout.scan(aside, known.records, directory) if own else _NOTHING
        return cls(directory, known, visible, listing)

    @property
    def pinned(self) -> int | None:
        """The version that stays live; None for the newest."""
        # A pinned version that was removed by hand must not keep all others from being served.
        chosen = (self.known.rolling_back, self.known.pinned)
        return next((one for one in chosen if one in self.visible.models), None)

    @property
    def live(self) -> int | None:
        """The version that is served by default; None where there is none."""
        return max(self.visible.models, default=None) if self.pinned is None else self.pinned

    @property
    def highest(self) -> int:
        """The highest number that ever was, also by a name that is no version."""
        return max(self.known.last_version, 0, *self.visible.numbers, *self.aside.numbers)

    def versions(self) -> list[Version]:
        """Returns all versions, the newest first."""
        places = {**self.aside.versions, **self.visible.versions}
        return [self._version(number, places[number]) for number in sorted(places, reverse=True)]

    def _version(self, number: int, path: Path) -> Version:
        visible = number in self.visible.versions
        return Version(
            number=number,
            path=path,
            record=self.known.records.get(number),
            visible=visible,
            live=number == self.live,
            pinned=number == self.pinned,
            servable=number in (self.visible if visible else self.aside).models,
        )

    def entry(self) -> Entry:
        """What a server should load."""
        name = self.directory.name
        return Entry(
            name=name,
            base_path=f"{self.known.server_directory.rstrip('/')}/{name}",
            versions=self.visible.models,
            pinned=self.pinned,
            names=self.visible.numbers,
        )

    def models_config(self) -> ModelsConfig:
        """The files that tell a server so."""
        return ModelsConfig(self.directory.parent, self.directory.name)

    def is_own(self) -> bool:
        """Whether anything was pushed here, or changed, by this project."""
        return (self.directory / manifest.MANIFEST_FILE).exists()

    def warnings(self) -> Iterator[str]:
        """Yields a sentence for each thing that a person should look after."""
        if self.known.given_up:
            yield self.known.given_up
        if self.visible.strays:
            yield layout.warn(self.visible.strays)
        yield from self._warn_of_what_is_aside()
        if self.is_own() and (obstacle := self.models_config().obstacle(self.entry())):
            yield obstacle
        if self.visible.versions:
            yield from self._warn_of_permissions()

    def _warn_of_what_is_aside(self) -> Iterator[str]:
        aside = self.directory / WITHDRAWN
        if os.path.lexists(aside) and not layout.is_own_directory(aside):
            yield (
                f"{aside} is no directory of its own, so that nothing can be moved aside: move it "
                "away."
            )
            return
        listed = {path.name for n, path in self.aside.versions.items() if not self._is_visible(n)}
        hidden = sorted({path.name for path in aside.glob("[0-9]*")} - listed)
        if hidden:
            yield (
                f"{aside} also has {', '.join(hidden)}, which no command takes for a version: "
                "delete what nobody needs."
            )

    def _is_visible(self, number: int) -> bool:
        return number in self.visible.versions

    def _warn_of_permissions(self) -> Iterator[str]:
        files = self.models_config()
        shut = [
            *layout.unreadable(self.directory, list(self.visible.versions.values())),
            *(one for one in (files.path, files.beside) if layout.is_unreadable_file(one)),
        ]
        if not shut:
            return
        above = any(self.directory not in (path, *path.parents) for path in shut)
        place = shlex.quote(str(self.directory.parent if above else self.directory))
        more = f" and {len(shut) - 1} more" if len(shut) > 1 else ""
        yield (
            f"A server of another user can't read {shut[0]}{more}: `chmod -R a+rX {place}` lets it."
        )


_NOTHING = Listing({}, (), (), ())
