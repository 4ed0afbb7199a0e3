"""Files that outlive a crash: copied, flushed to disk, compared, locked; and no link followed.

Free of TensorFlow, as is all that a command needs to answer at once.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

_BLOCK = 1 << 20
_LOCK_POLL_S = 0.02


def copy_tree(source: Path, target: Path) -> dict[str, str]:
    """Copies a directory and flushes every file and directory of the copy to disk.

    Args:
        source: an existing directory.
        target: must not exist.

    Returns:
        The SHA-256 of each source file, as read, by its path below the directory.

    Raises:
        OSError: as on a disk that is full; what was copied so far is left.
    """
    digests = {}
    target.mkdir()
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_dir():
            (target / relative).mkdir()
        else:
            digests[relative.as_posix()] = _copy_file(path, target / relative)
    for directory in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        sync_directory(directory)
    return digests


def _copy_file(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while block := reader.read(_BLOCK):
            digest.update(block)
            writer.write(block)
        _flush(writer)
        # So that who compares the copy reads what the disk has, not what memory remembers.
        os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest.hexdigest()


def _flush(file: IO) -> None:
    file.flush()
    os.fsync(file.fileno())


def checksums(directory: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file by its path below the directory.

    Raises:
        OSError: a file can't be read.
    """
    walk = os.walk(directory, onerror=_raise_if_forbidden)
    paths = sorted(Path(place, name) for place, _, names in walk for name in names)
    return {path.relative_to(directory).as_posix(): sha256(path) for path in paths}


def _raise_if_forbidden(error: OSError) -> None:
    # Else what a directory has that may not be looked into would pass for missing.
    if isinstance(error, PermissionError):
        raise error


def may_read(directory: Path) -> bool:
    """Says whether this user may read all files of a directory."""
    try:
        checksums(directory)
    except PermissionError:
        return False
    except OSError:
        pass
    return True


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def differences(expected: Mapping[str, str], directory: Path) -> list[str]:
    """Compares a directory with the checksums it should have.

    Args:
        expected: SHA-256 by path.
        directory: what is compared; may be missing.

    Returns:
        A phrase for each file that is missing, another, unreadable or too many.
    """
    try:
        found = checksums(directory)
    except OSError as error:
        return [f"{error.filename or directory} can't be read: {error.strerror}"]
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    added = [f"{name} was added" for name in sorted(found.keys() - expected.keys())]
    changed = [
        f"{name} was changed"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    return missing + changed + added


def remove(path: Path) -> None:
    """Deletes a directory with all that is in it, or a link to one.

    Raises:
        OSError: something in it can't be deleted.
    """
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to read it, and waits for nobody who might write into a pipe.

    Raises:
        OSError: it can't be read, or is a directory, a pipe, a socket or a device.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        yield file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_regular(path: Path) -> bytes:
    """Returns the bytes of a file.

    Raises:
        OSError: as `open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


def make_own_directory(path: Path) -> None:
    """Makes a directory in which the maker may move and delete, unless it is there.

    Raises:
        OSError: it can't be made, or is a link.
    """
    refuse_link(path)
    path.mkdir(exist_ok=True)


def refuse_link(path: Path) -> None:
    """Keeps what is about to be changed from being another's, to which a link leads.

    Raises:
        OSError: it is a link.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, which is not followed; remove it", str(path))


def sync_directory(directory: Path) -> None:
    """Flushes the entries of a directory to disk, such as a name that was just given."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replaces a file so that readers find the old content or the new one, whole.

    Who may read it stays as it was, and a link stays one. To be called under a lock: the new
    content goes through one sibling.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    new = target.with_name(f".{target.name}.new")
    # What a killed write left may be another user's.
    new.unlink(missing_ok=True)
    with new.open("xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        with suppress(FileNotFoundError):
            _take_after(target.stat(), file.fileno())
        _flush(file)
    new.replace(target)
    sync_directory(target.parent)


def _take_after(old: os.stat_result, descriptor: int) -> None:
    for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):
        # Only root may give a file away, and others to groups of theirs.
        with suppress(PermissionError):
            os.fchown(descriptor, owner, group)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


@contextmanager
def lock(path: Path, patience_s: float) -> Iterator[None]:
    """Holds a lock file; it goes with the process, however that ends.

    Args:
        path: the file, made if missing.
        patience_s: seconds to wait for another holder; 0 to try once.

    Raises:
        TimeoutError: another process holds it for longer.
        OSError: the file can't be opened, or is a link, a pipe or a device.
    """
    deadline = time.monotonic() + patience_s
    with _open_lock(path) as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() >= deadline:
                raise TimeoutError(None, "another process holds it", str(path))
            time.sleep(_LOCK_POLL_S)
        yield


def _open_lock(path: Path) -> IO:
    refuse_link(path)
    try:
        return open(path, "a", opener=_open_no_link)
    except PermissionError:
        # Another user's: to hold it, it need not be written.
        return open(path, opener=_open_no_link)


def _open_no_link(path: str, flags: int) -> int:
    # As one may be put there meanwhile.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def _try_lock(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
