"""What is in a model's directory: which names are versions, and which only look like one."""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.model_store.manifest import LAST_NUMBER, StoreError

# As a server reads a name: blanks and a sign are let pass.
_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_VERSION = re.compile("[0-9]+", re.ASCII)
_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


@dataclass(frozen=True)
class Stray:
    """What has a number for a name, and is no version.

    Attributes:
        number: as a server would read it.
        path: where it is.
        why: why it is none, in a phrase.
        tempting: whether a server that polls the directory would try to load it.
    """

    number: int
    path: Path
    why: str
    tempting: bool = True


def warn(strays: Sequence[Stray]) -> str:
    """Says in a sentence what to do about strays of one directory; there is one at least."""
    if len(strays) == 1:
        [stray] = strays
        who, them = f"{stray.path} is no version, as {stray.why}", "it"
    else:
        names = ", ".join(f"{stray.path.name} ({stray.why})" for stray in strays)
        who, them = f"{strays[0].path.parent} has what is no version, {names}", "them"
    tempting = any(stray.tempting for stray in strays)
    risk = f"a server that polls the directory would try to load {them}; " if tempting else ""
    return f"{who}: {risk}move {them} away."


@dataclass(frozen=True)
class Listing:
    """What is in a directory.

    Attributes:
        versions: their places by number, rising.
        models: the numbers of those that are SavedModels.
        strays: names that a server would try to load, or that nobody can.
        numbers: all that a server reads from the names, of versions and strays, rising.
    """

    versions: Mapping[int, Path]
    models: Sequence[int]
    strays: Sequence[Stray]
    numbers: Sequence[int]


def scan(directory: Path, recorded: Container[int], home: Path | None = None) -> Listing:
    """Looks through a directory.

    Args:
        directory: may be missing.
        recorded: numbers of pushes that should be here; such a directory is a version, if a
            damaged one, also where no SavedModel is left in it.
        home: the directory from which links lead, if not this one.

    Raises:
        StoreError: it can't be read.
    """
    versions: dict[int, Path] = {}
    models: list[int] = []
    strays: list[Stray] = []
    numbers: list[int] = []
    for number, names in sorted(_names(directory).items()):
        places = [directory / name for name in names]
        if abs(number) > LAST_NUMBER:
            why = "no server reads a number of that size"
            strays += [Stray(number, place, why, tempting=False) for place in places]
            continue
        numbers.append(number)
        faults = {place: _fault(place, home or directory) for place in places}
        chosen = _choose(faults, str(number) if number in recorded else None)
        taken = ""
        if chosen:
            versions[number] = chosen
            taken = f"{chosen.name} is version {number} already"
            if not faults[chosen]:
                models.append(number)
        for place in places:
            if place != chosen:
                strays.append(Stray(number, place, faults[place] or taken))
    return Listing(versions, models, strays, numbers)


def _names(directory: Path) -> Mapping[int, list[str]]:
    """The names by the number that a server reads, the shortest first, which it prefers."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        names = []
    except OSError as error:
        raise StoreError(
            f"{directory} can't be read: {error.strerror}; mend that first."
        ) from error
    found = defaultdict(list)
    for name in sorted(names, key=lambda name: (len(name), name)):
        if _NUMBER.fullmatch(name):
            found[int(name)].append(name)
    return found


def _choose(faults: Mapping[Path, str], name: str | None) -> Path | None:
    """The version among places of one number; `name` is that of a push, if there was one."""
    whole = [place for place, fault in faults.items() if not fault]
    if whole:
        return whole[0]
    # What was pushed keeps its number when it is damaged, so that it can be moved aside.
    return next((one for one in faults if one.name == name and os.path.isdir(one)), None)


def _fault(place: Path, home: Path) -> str:
    """Why it is no version, in a phrase; nothing if it is one."""
    if not _VERSION.fullmatch(place.name):
        return "the name of a version has digits alone"
    is_link = os.path.islink(place)
    target = home / place.readlink() if is_link else place
    if is_link and not os.path.exists(target):
        return "it is a link that leads nowhere"
    if not os.path.isdir(target):
        return "it is no directory"
    return "" if is_model(target) else "it has no SavedModel"


def is_model(directory: Path) -> bool:
    """Says whether a directory is a SavedModel."""
    return any(_is_file(directory / name) for name in _MODEL_FILES)


def is_own_directory(path: Path) -> bool:
    """Says whether a directory is there, and not by a link to another's."""
    return os.path.isdir(path) and not os.path.islink(path)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError:
        # Another user's: what is in there can't be told.
        return True
    except OSError:
        return False


def unreadable(directory: Path, versions: Sequence[Path]) -> Iterator[Path]:
    """Yields what a server of another user can't read or enter, the way there first.

    Args:
        directory: of the model, in the serving directory.
        versions: directories in it.
    """
    if not _grants(directory.parent, 0o001):
        yield directory.parent
    if not _grants(directory, 0o005):
        yield directory
    for version in versions:
        for root, _, names in os.walk(version):
            place = Path(root)
            if not _grants(place, 0o005):
                yield place
            yield from (place / name for name in names if not _grants(place / name, 0o004))


def is_unreadable_file(path: Path) -> bool:
    """Says whether a server of another user can't read a file that is there."""
    return not _grants(path, 0o004)


def _grants(path: Path, bits: int) -> bool:
    try:
        return path.stat().st_mode & bits == bits
    except OSError:
        return True  # It went meanwhile, or leads nowhere: not a matter of permissions.
