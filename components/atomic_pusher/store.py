"""The directory that a model server polls: numbered versions, each whole and checked.

    tinyvgg/7/                 a version: what a server looks for are names that are numbers
    tinyvgg/manifest.json      where each version comes from, and the checksums of its files
    tinyvgg/.incoming/…        pushes under way
    tinyvgg/.withdrawn/6/      versions that must not be served, moved aside
    tinyvgg/.lock              held while versions appear and go, never while one is copied
    models.config              what a server that polls its configuration should load

A version becomes visible, and goes, by one rename. Whatever is killed, at any point,
leaves what was visible as it was; the next operation cleans up.
"""

import datetime
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from components.atomic_pusher import files, manifest, models_config
from components.atomic_pusher.manifest import Facts, Manifest, Reason, Record, StoreError

_INCOMING, _WITHDRAWN, _LOCK = ".incoming", ".withdrawn", ".lock"
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Push:
    """What became of a push.

    Attributes:
        state: `pushed`, `there` where a visible version is the same model already, or
            `held back` where the same model was rolled back.
        version: the version of that model.
        path: its directory; does not exist where it was held back.
    """

    state: Literal["pushed", "there", "held back"]
    version: int
    path: Path


@dataclass(frozen=True)
class Version:
    """One version of the model.

    Attributes:
        number: its name.
        path: its directory.
        record: None for a version that was not pushed by this project.
        visible: whether a model server finds it; else it was moved aside.
        live: whether it is the one that is served by default.
        pinned: whether it stays live when others are pushed.
    """

    number: int
    path: Path
    record: Record | None
    visible: bool
    live: bool
    pinned: bool


class Store:
    """The versions of one model in a serving directory."""

    def __init__(self, directory: Path, server_directory: str = "/models"):
        """Names the directory; it is made by the first push.

        Args:
            directory: the model's directory in the serving directory.
            server_directory: the serving directory as a model server sees it.
        """
        self.directory = directory
        self._server_directory = server_directory

    def versions(self) -> list[Version]:
        """Returns all versions, the newest first. Needs no permission to write.

        Raises:
            StoreError: the manifest can't be read.
        """
        known = manifest.read(self.directory)
        visible = _numbers(self.directory)
        live, pinned = _live(visible, known), _pinned(visible, known)
        found = {
            **dict.fromkeys(_numbers(self.directory / _WITHDRAWN), False),
            **dict.fromkeys(visible, True),
        }
        return [
            Version(
                number=number,
                path=self._visible(number) if found[number] else self._withdrawn(number),
                record=known.records.get(number),
                visible=found[number],
                live=number == live,
                pinned=number == pinned,
            )
            for number in sorted(found, reverse=True)
        ]

    def find(self, number: int | None = None) -> Version:
        """Returns a version, visible or moved aside; the live one if none is named.

        Raises:
            StoreError: there is no such version.
        """
        versions = self.versions()
        for version in versions:
            if version.number == number or (number is None and version.live):
                return version
        if number is None:
            raise StoreError(f"{self.directory} has no version to serve: push one first.")
        known = ", ".join(str(version.number) for version in versions) or "none"
        raise StoreError(f"{self.directory} has no version {number}: there is {known}.")

    def push(self, model: Path, facts: Facts) -> Push:
        """Makes a model the newest version, unless it is there already or was rolled back.

        Visible versions that are no longer as they were pushed are moved aside, once a sound
        one is there to take their place; a pinned one stays.

        Args:
            model: the SavedModel's directory.
            facts: where it comes from.

        Returns:
            What became of it.

        Raises:
            StoreError: the directory can't be written or is in use; nothing became visible.
        """
        with self._guarded():
            self.directory.mkdir(parents=True, exist_ok=True)
            self.recover()
            with self._incoming() as place:
                copy = place / "model"
                digests = files.copy_tree(model, copy)
                if faults := files.differences(digests, copy):
                    raise StoreError(
                        f"The copy of the model in {place} is not what was written "
                        f"({faults[0]}): check the disk."
                    )
                visible = [version for version in self.versions() if version.visible]
                damaged = [version.number for version in visible if self.faults(version)]
                with self._changing() as known:
                    return self._publish(copy, digests, facts, damaged, known)

    def recover(self) -> None:
        """Cleans up after pushes that were interrupted, and ends a rollback that was.

        It does nothing where there is no directory.

        Raises:
            StoreError: the directory can't be written or is in use.
        """
        if not self.directory.exists():
            return
        with self._guarded(), self._changing() as known:
            for place in self._path(_INCOMING).glob("*"):
                if not _is_in_use(place):
                    shutil.rmtree(place, ignore_errors=True)
            self._write_models_config(known)

    def faults(self, version: Version) -> list[str]:
        """Compares a version with its checksums.

        Returns:
            A phrase for each fault; none for a version without a record, nor for one that
            went meanwhile.
        """
        if version.record is None or not version.path.exists():
            return []
        return files.differences(version.record.files, version.path)

    def rollback(self, number: int | None = None) -> Version:
        """Makes a version the newest one, moving newer ones aside; takes away a pin.

        Args:
            number: also of a version that was moved aside; if None, the newest sound one
                before the live one.

        Returns:
            The version, now live.

        Raises:
            StoreError: there is none to go back to, or it is damaged; nothing changed.
        """
        target = self.find(number) if number is not None else self._before_live()
        self._require_sound(target)
        with self._guarded(), self._changing() as known:
            if not self._visible(target.number).exists():
                known = self._move_back(target.number, known)
            # A server that reads the configuration switches here; one that polls the
            # directory alone, when the live version goes, which is the last to go.
            known = self._save(replace(known, rolling_back=target.number))
            self._end_rollback(known)
        return self.find(target.number)

    def pin(self, number: int) -> Version:
        """Keeps a version live for servers that read `models.config`, whatever is pushed.

        Raises:
            StoreError: the version is not visible, or is damaged; nothing changed.
        """
        target = self.find(number)
        self._require_sound(target)
        with self._guarded(), self._changing() as known:
            if not self._visible(number).exists():
                raise StoreError(
                    f"Version {number} was moved aside: `rollback {number}` makes it live."
                )
            self._save(replace(known, pinned=number))
        return self.find(number)

    def unpin(self) -> Version:
        """Lets the newest version be live again, and returns it.

        Raises:
            StoreError: no version is pinned.
        """
        self.find()
        with self._guarded(), self._changing() as known:
            if known.pinned is None:
                raise StoreError(f"No version in {self.directory} is pinned.")
            self._save(replace(known, pinned=None))
        return self.find()

    def superfluous(self, keep: int) -> list[Version]:
        """Returns what `prune` would delete: all but the newest visible ones.

        Args:
            keep: how many visible ones stay; the live and a pinned one stay besides.
        """
        versions = self.versions()
        newest = [version.number for version in versions if version.visible][:keep]
        return [one for one in versions if one.number not in newest and not one.live]

    def prune(self, doomed: Sequence[Version]) -> list[Version]:
        """Deletes versions, but for one that became live meanwhile.

        Returns:
            Those that were deleted.

        Raises:
            StoreError: the directory can't be written or is in use.
        """
        with self._guarded(), self._incoming() as place:
            with self._changing() as known:
                numbers = {version.number for version in doomed}
                # As they are now: a rollback may have come between.
                deleted = [v for v in self.versions() if v.number in numbers and not v.live]
                for version in deleted:
                    # Out of sight by a rename, so that no half of it is ever visible.
                    version.path.rename(place / str(version.number))
                files.sync_directory(self.directory)
                self._write_models_config(known)
            for version in deleted:
                shutil.rmtree(place / str(version.number))
        return deleted

    def _publish(
        self,
        copy: Path,
        digests: Mapping[str, str],
        facts: Facts,
        damaged: Sequence[int],
        known: Manifest,
    ) -> Push:
        visible = _numbers(self.directory)
        twins = [number for number, record in known.records.items() if record.files == digests]
        there = [number for number in twins if number in visible and number not in damaged]
        held_back = [n for n in twins if known.records[n].withdrawn == "rolled back"]
        if there:
            push = Push("there", max(there), self._visible(max(there)))
        elif held_back:
            return Push("held back", max(held_back), self._withdrawn(max(held_back)))
        else:
            withdrawn = _numbers(self.directory / _WITHDRAWN)
            number = max(known.last_version, 0, *visible, *withdrawn) + 1
            record = Record(pushed=_now(), facts=facts, files=digests)
            known = known.with_record(number, record)
            # Before the version is visible, so that none is without its record.
            manifest.write(self.directory, known)
            copy.rename(self._visible(number))
            files.sync_directory(self.directory)
            push = Push("pushed", number, self._visible(number))
        for number in damaged:
            if number in visible and number != known.pinned:
                known = self._move_aside(number, "damaged", known)
        self._write_models_config(known)
        return push

    def _before_live(self) -> Version:
        versions = [version for version in self.versions() if version.visible]
        live = next((version.number for version in versions if version.live), None)
        if live is None:
            raise StoreError(f"{self.directory} has no version to go back to.")
        for version in versions:
            if version.number < live and not self.faults(version):
                return version
        raise StoreError(f"There is no sound version before {live} to go back to: it stays live.")

    def _require_sound(self, version: Version) -> None:
        if faults := self.faults(version):
            raise StoreError(
                f"Version {version.number} is not as it was pushed ({faults[0]}): name another, "
                "or push it again."
            )

    def _move_aside(self, number: int, reason: Reason, known: Manifest) -> Manifest:
        known = known.with_withdrawn(number, reason)
        manifest.write(self.directory, known)
        self._path(_WITHDRAWN).mkdir(exist_ok=True)
        self._move(self._visible(number), self._withdrawn(number))
        return known

    def _move_back(self, number: int, known: Manifest) -> Manifest:
        self._move(self._withdrawn(number), self._visible(number))
        known = known.with_withdrawn(number, None)
        manifest.write(self.directory, known)
        return known

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)
        files.sync_directory(source.parent)
        files.sync_directory(target.parent)

    def _end_rollback(self, known: Manifest) -> Manifest:
        visible = _numbers(self.directory)
        # Unless the version was removed meanwhile: nothing would be left to serve.
        if known.rolling_back in visible:
            for newer in visible:
                if newer > known.rolling_back:
                    known = self._move_aside(newer, "rolled back", known)
        return self._save(replace(known, pinned=None, rolling_back=None))

    def _save(self, known: Manifest) -> Manifest:
        manifest.write(self.directory, known)
        self._write_models_config(known)
        return known

    def _write_models_config(self, known: Manifest) -> None:
        visible = _numbers(self.directory)
        text = models_config.build_models_config(
            self.directory.name, self._server_directory, visible, _pinned(visible, known)
        )
        path = self.directory.parent / models_config.MODELS_CONFIG_FILE
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            files.write_atomically(path, text)

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        """A directory that no server looks at, held by a lock for as long as it is used."""
        place = self._path(_INCOMING) / uuid.uuid4().hex
        with ExitStack() as stack:
            with self._locked():
                place.mkdir(parents=True)
                # Under the store's lock: who cleans up never finds it without its holder.
                stack.enter_context(files.lock(place / _LOCK, 0))
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            yield place

    @contextmanager
    def _changing(self) -> Iterator[Manifest]:
        """Holds the store for a change; what an interrupted rollback left to do, is done."""
        with self._locked():
            known = manifest.read(self.directory)
            yield known if known.rolling_back is None else self._end_rollback(known)

    def _locked(self) -> AbstractContextManager[None]:
        return files.lock(self._path(_LOCK), _PATIENCE_S)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Says in a sentence what the file system refused."""
        try:
            yield
        except TimeoutError as error:
            raise StoreError(
                f"Another process is changing {self.directory}: try again when it has ended."
            ) from error
        except OSError as error:
            where = error.filename or self.directory
            raise StoreError(
                f"{where} can't be written: {error.strerror}; what was served still is, and "
                "the next push starts anew."
            ) from error

    def _path(self, name: str) -> Path:
        return self.directory / name

    def _visible(self, number: int) -> Path:
        return self.directory / str(number)

    def _withdrawn(self, number: int) -> Path:
        return self.directory / _WITHDRAWN / str(number)


def _numbers(directory: Path) -> list[int]:
    """The versions in a directory, rising; none where there is no directory."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _pinned(visible: Sequence[int], known: Manifest) -> int | None:
    # A pinned version that was removed by hand must not keep all others from being served.
    return next((one for one in (known.rolling_back, known.pinned) if one in visible), None)


def _live(visible: Sequence[int], known: Manifest) -> int | None:
    return _pinned(visible, known) or max(visible, default=None)


def _is_in_use(place: Path) -> bool:
    try:
        with files.lock(place / _LOCK, 0):
            return False
    except TimeoutError:
        return True
    except OSError:
        return False


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
