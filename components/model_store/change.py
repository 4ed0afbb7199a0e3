"""Changes of a store under its lock: each is one rename, and on record before it is seen."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.model_store import files, manifest
from components.model_store.manifest import Manifest, Reason, Record, StoreError
from components.model_store.snapshot import WITHDRAWN, Snapshot


class Change:
    """A change under way, made by who holds the store's lock.

    Attributes:
        known: the manifest as it should be; each step writes it.
    """

    def __init__(self, directory: Path, server_directory: str | None, patience_s: float) -> None:
        """Reads the manifest.

        Args:
            directory: the model's.
            server_directory: the serving directory as a model server sees it; None as kept.
            patience_s: seconds to wait for a store of another model in the same place.

        Raises:
            StoreError: the manifest can't be read.
        """
        self._directory = directory
        self._patience_s = patience_s
        self._written = self.known = manifest.read(directory)
        if server_directory is not None:
            self.known = self.known.having(server_directory=server_directory)

    def look(self) -> Snapshot:
        """Returns what is there now."""
        return Snapshot.take(self._directory, self.known)

    def record(self, known: Manifest) -> None:
        """Writes the manifest, unless it says so already."""
        self.known = known
        if known != self._written:
            manifest.write(self._directory, known)
            self._written = known

    def save(self, **changes: Any) -> None:
        """Writes the manifest with some fields changed, and then `models.config`."""
        self.record(self.known.having(**changes))
        now = self.look()
        now.models_config().write(now.entry(), self._patience_s)

    def move_in(self, model: Path, number: int) -> Path:
        """Makes a model visible, and returns where."""
        place = self._directory / str(number)
        model.rename(place)
        files.sync_directory(self._directory)
        return place

    def move_aside(self, number: int, reason: Reason) -> None:
        """Takes a version out of a server's sight; what was aside by its name keeps another.

        Raises:
            OSError: it can't be moved; nothing changed.
        """
        before, source = self.known, self.look().visible.versions[number]
        place = self._directory / WITHDRAWN
        files.make_own_directory(place)
        self.record(before.with_withdrawn(number, reason))
        try:
            _make_room(place / source.name)
            _move(source, place / source.name)
        except OSError:
            self.record(before)
            raise

    def begin_rollback(self, number: int) -> None:
        """Makes a version visible if it was moved aside, and puts on record that it is the target.

        Raises:
            OSError: it can't be moved, or not put on record; nothing changed.
            StoreError: it is gone, or something else has its number.
        """
        now = self.look()
        # Somebody may have brought it back already.
        moved = number not in now.visible.versions and self._return(number, now)
        known = self.known.with_withdrawn(number, None)
        try:
            self.record(known.having(rolling_back=number, given_up=""))
        except OSError:
            if moved:
                _move(moved, now.aside.versions[number])
            raise

    def _return(self, number: int, now: Snapshot) -> Path:
        if number not in now.aside.versions:
            raise StoreError(f"Version {number} in {self._directory} is gone: name another.")
        if number in now.visible.numbers:
            stray = next(one for one in now.visible.strays if one.number == number)
            raise StoreError(
                f"{stray.path} has the number of version {number}, and is none, as {stray.why}: "
                "move it away first."
            )
        source = now.aside.versions[number]
        place = self._directory / source.name
        _move(source, place)
        return place

    def restore_aside(self, model: Path, number: int, record: Record) -> None:
        """Puts a model where a version was moved aside that is gone or damaged there.

        Raises:
            OSError: it can't be moved.
        """
        place = self._directory / WITHDRAWN / str(number)
        files.make_own_directory(place.parent)
        self.record(self.known.with_record(number, record))
        _make_room(place)
        _move(model, place)

    def end_rollback(self) -> None:
        """Moves aside what is newer than the version to which a rollback is under way, if one is.

        The live version goes last. What keeps a rollback from its end must not keep the store
        from all else: it is given up then, with a sentence in `known.given_up`.
        """
        target = self.known.rolling_back
        if target is None:
            return
        visible = self.look().visible
        try:
            if target not in visible.models:
                raise FileNotFoundError(None, "it is gone", str(self._directory / str(target)))
            for number in visible.versions:
                if number > target:
                    self.move_aside(number, "rolled back")
        except OSError as error:
            self.save(rolling_back=None, given_up=self._given_up(target, error))
        else:
            self.save(rolling_back=None, pinned=None)

    def _given_up(self, target: int, error: OSError) -> str:
        where = error.filename or self._directory
        return (
            f"The rollback to version {target} was given up ({where}: {error.strerror}): mend "
            "that, and roll back again."
        )

    def move_out(self, paths: Sequence[Path], place: Path) -> list[Path]:
        """Takes versions out of the store, and returns where they are, to be deleted."""
        moved: list[Path] = []
        for path in paths:
            # Out of sight by a rename, so that no half of it is ever visible.
            moved.append(place / f"{len(moved)}-{path.name}")
            path.rename(moved[-1])
        files.sync_directory(self._directory)
        return moved


def _make_room(place: Path) -> None:
    """Gives what is in a place another name: lost is nothing."""
    if not os.path.lexists(place):
        return
    number = 1
    while os.path.lexists(place.with_name(f"{place.name}.{number}")):
        number += 1
    place.rename(place.with_name(f"{place.name}.{number}"))


def _move(source: Path, target: Path) -> None:
    source.rename(target)
    files.sync_directory(source.parent)
    files.sync_directory(target.parent)
