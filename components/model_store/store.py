"""The directory that a model server polls: numbered versions, each whole and checked.

    tinyvgg/7/                 a version: what a server looks for are names that are numbers
    tinyvgg/manifest.json      where each version comes from, and the checksums of its files
    tinyvgg/.incoming/…        pushes under way
    tinyvgg/.withdrawn/6/      versions that must not be served, moved aside
    tinyvgg/.lock              held while versions appear and go, never while one is copied
    models.config              what a server that polls its configuration should load

A version becomes visible, and goes, by one rename. Whatever is killed, at any point,
leaves what was visible as it was; the next operation cleans up. What others put into these
directories stays as it is: `layout` tells versions from strays, `models_config` entries.
"""

import datetime
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.model_store import files, layout
from components.model_store.change import Change
from components.model_store.manifest import LAST_NUMBER, ModelFacts, Record, StoreError
from components.model_store.snapshot import WITHDRAWN, Snapshot, Version

__all__ = ["Push", "Store", "Version"]

_INCOMING, _LOCK = ".incoming", ".lock"
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Push:
    """What became of a push.

    Attributes:
        state: `pushed`, `there` where a sound visible version is the same model already, or
            `held back` where the same model was rolled back.
        version: the version of that model.
        path: its directory; where a server does not look if it was held back.
    """

    state: Literal["pushed", "there", "held back"]
    version: int
    path: Path


class Store:
    """The versions of one model in a serving directory."""

    def __init__(self, directory: Path, server_directory: str | None = None) -> None:
        """Names the directory; it is made by the first push.

        Args:
            directory: the model's directory in the serving directory.
            server_directory: the serving directory as a model server sees it, absolute; kept
                by the next operation that writes. If None, it is as kept, `/models` at first.
        """
        self.directory = directory
        self._server_directory = server_directory

    def versions(self) -> list[Version]:
        """Returns all versions, the newest first. Needs no permission to write.

        Raises:
            StoreError: the directory or the manifest can't be read.
        """
        return Snapshot.take(self.directory).versions()

    def find(self, number: int | None = None) -> Version:
        """Returns a version, visible or moved aside; the live one if none is named.

        Raises:
            StoreError: there is no such version.
        """
        now = Snapshot.take(self.directory)
        versions = now.versions()
        for version in versions:
            if version.number == number or (number is None and version.live):
                return version
        if number is None:
            raise StoreError(f"{self.directory} has no version to serve: push one first.")
        if strays := [stray for stray in now.visible.strays if stray.number == number]:
            raise StoreError(layout.warn(strays))
        known = ", ".join(str(version.number) for version in versions) or "none"
        raise StoreError(f"{self.directory} has no version {number}: there is {known}.")

    def warnings(self) -> list[str]:
        """Returns a sentence for each thing that a person should look after.

        These are names that pass for versions, a `models.config` that is left alone, what a
        server of another user can't read, a rollback that was given up, and a store that can't
        be read. Needs no permission to write.
        """
        try:
            return list(Snapshot.take(self.directory).warnings())
        except StoreError as error:
            return [str(error)]

    def push(self, model: Path, facts: ModelFacts, identity: str = "") -> Push:
        """Makes a model the newest version, unless it is there already or was rolled back.

        Visible versions that are no longer as they were pushed are moved aside, once a sound
        one is there to take their place; a pinned one stays.

        Args:
            model: the SavedModel's directory.
            facts: where it comes from.
            identity: the same for models of the same weights and graph, of whatever bytes
                their files are; if empty, the same model is told by its files.

        Returns:
            What became of it.

        Raises:
            StoreError: the model is no SavedModel, or the directory can't be written or is in
                use; nothing became visible.
        """
        if not layout.is_model(model):
            raise StoreError(f"{model} is no SavedModel: nothing was pushed.")
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
                # Of what this user may not read nobody can tell: a server may.
                damaged = [
                    version.number
                    for version in visible
                    if self.faults(version) and files.may_read(version.path)
                ]
                record = Record(pushed=_now(), facts=facts, files=digests, identity=identity)
                with self._changing() as change:
                    return self._publish(copy, record, damaged, change)

    def recover(self) -> None:
        """Cleans up after pushes that were interrupted, and ends a rollback that was.

        It does nothing where there is no directory, and writes nothing where no version was
        ever pushed.

        Raises:
            StoreError: the directory can't be written or is in use.
        """
        with self._guarded():
            if not self.directory.exists():
                return
            with self._changing() as change:
                incoming = self.directory / _INCOMING
                files.refuse_link(incoming)
                for place in incoming.glob("*"):
                    if not place.is_symlink() and not _is_in_use(place):
                        shutil.rmtree(place, ignore_errors=True)
                if change.look().is_own():
                    change.save()

    def faults(self, version: Version) -> list[str]:
        """Compares a version with its checksums.

        Returns:
            A phrase for each fault; none for a version without a record, nor for one that
            went meanwhile.
        """
        if version.record is None or not os.path.exists(version.path):
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
            StoreError: there is none to go back to, or it is damaged, and nothing changed; or
                a newer one can't be moved, and stays live.
        """
        target = self.find(number) if number is not None else self._before_live()
        self._require_sound(target)
        with self._guarded(), self._changing() as change:
            change.begin_rollback(target.number)
            # A server that reads the configuration switches here; one that polls the
            # directory alone, when the live version goes, which is the last to go.
            change.save()
            change.end_rollback()
            if change.known.given_up:
                raise StoreError(change.known.given_up)
        return self.find(target.number)

    def pin(self, number: int) -> Version:
        """Keeps a version live for servers that read `models.config`, whatever is pushed.

        Raises:
            StoreError: the version is not visible, or is damaged; nothing changed.
        """
        target = self.find(number)
        self._require_sound(target)
        with self._guarded(), self._changing() as change:
            if number not in change.look().visible.models:
                raise StoreError(
                    f"Version {number} was moved aside: `rollback {number}` makes it live."
                )
            change.save(pinned=number, given_up="")
        return self.find(number)

    def unpin(self) -> Version:
        """Lets the newest version be live again, and returns it.

        Raises:
            StoreError: no version is pinned.
        """
        self.find()
        with self._guarded(), self._changing() as change:
            if change.known.pinned is None:
                raise StoreError(f"No version in {self.directory} is pinned.")
            change.save(pinned=None, given_up="")
        return self.find()

    def superfluous(self, keep: int, *, withdrawn: bool = False) -> list[Version]:
        """Returns what `prune` would delete: visible versions but for the newest ones.

        Args:
            keep: how many of the newest visible ones stay; the live and a pinned one stay
                besides.
            withdrawn: whether those that were moved aside go too.
        """
        now = Snapshot.take(self.directory)
        versions = now.versions()
        visible = [version for version in versions if version.visible]
        # A pinned one that is damaged is not live.
        spared = (now.live, now.known.pinned)
        doomed = [one for one in visible[keep:] if one.number not in spared]
        aside = [one for one in versions if not one.visible] if withdrawn else []
        return sorted([*doomed, *aside], key=lambda one: one.number, reverse=True)

    def prune(self, doomed: Sequence[Version]) -> list[Version]:
        """Deletes versions, but for one that became live, or was moved, meanwhile.

        Returns:
            Those that were deleted.

        Raises:
            StoreError: the directory can't be written or is in use.
        """
        with self._guarded(), self._incoming() as place:
            with self._changing() as change:
                paths = {version.path for version in doomed}
                now = change.look().versions()
                deleted = [one for one in now if one.path in paths and not one.live]
                moved = change.move_out([version.path for version in deleted], place)
                change.save()
            for path in moved:
                files.remove(path)
        return deleted

    def _publish(self, copy: Path, record: Record, damaged: Sequence[int], change: Change) -> Push:
        now = change.look()
        visible, records = now.visible.versions, now.known.records
        twins = [n for n, one in records.items() if one.is_twin(record.files, record.identity)]
        there = [n for n in twins if n in now.visible.models and n not in damaged]
        held_back = [n for n in twins if records[n].withdrawn == "rolled back"]
        if there:
            push = Push("there", max(there), visible[max(there)])
        elif held_back:
            number = max(held_back)
            if number not in now.visible.numbers:
                self._keep_aside(copy, record, number, change)
            return Push("held back", number, self.directory / WITHDRAWN / str(number))
        else:
            number = self._next_number(now)
            # Before the version is visible, so that none is without its record.
            change.record(now.known.with_record(number, record))
            push = Push("pushed", number, change.move_in(copy, number))
        for number in damaged:
            if number in visible and number != now.known.pinned:
                # One that can't be moved must not keep a sound one from being served.
                with suppress(OSError):
                    change.move_aside(number, "damaged")
        change.save()
        return push

    def _keep_aside(self, copy: Path, record: Record, number: int, change: Change) -> None:
        """Sees to it that a rollback can serve a model that is held back."""
        aside = [one for one in change.look().versions() if one.number == number]
        if aside and not self.faults(aside[0]):
            return
        kept = change.known.records[number].model_copy(
            update={"files": record.files, "identity": record.identity}
        )
        # Held back it is in any case.
        with suppress(OSError):
            change.restore_aside(copy, number, kept)

    def _next_number(self, now: Snapshot) -> int:
        if now.highest >= LAST_NUMBER:
            raise StoreError(
                f"{self.directory} has or had a version {now.highest}, and a server reads no "
                "higher number: push to another serving directory."
            )
        return now.highest + 1

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

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        """A directory that no server looks at, held by a lock for as long as it is used."""
        place = self.directory / _INCOMING / uuid.uuid4().hex
        with ExitStack() as stack:
            with self._locked():
                files.make_own_directory(place.parent)
                place.mkdir()
                # Under the store's lock: who cleans up never finds it without its holder.
                stack.enter_context(files.lock(place / _LOCK, 0))
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            yield place

    @contextmanager
    def _changing(self) -> Iterator[Change]:
        """Holds the store for a change; what an interrupted rollback left to do, is done."""
        with self._locked():
            change = Change(self.directory, self._server_directory, _PATIENCE_S)
            change.end_rollback()
            yield change

    def _locked(self) -> AbstractContextManager[None]:
        return files.lock(self.directory / _LOCK, _PATIENCE_S)

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
