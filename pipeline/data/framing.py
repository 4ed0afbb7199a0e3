"""TFRecords, record by record: written, and read with every checksum looked at.

A record is its length, that length's checksum, its bytes and their checksum; a checksum is a
masked CRC-32C. TensorFlow's and Beam's readers check the same, but name neither file nor record.
Free of TensorFlow, which takes longer to import than many files to read or write.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import google_crc32c

from components.model_store.files import open_regular
from pipeline.errors import UserError, unreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST = 1 << 24
"""Bytes. A record that states more is damaged: nothing is allocated for it."""

GZIP_SUFFIX = ".gz"
"""By which Beam tells what is gzipped."""

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_HEADER_SIZE = _LENGTH.size + _CHECKSUM.size

_GZIP_MAGIC = b"\x1f\x8b"
_LEVEL = 6
"""zlib's own."""

_BLOCK = 1 << 20
"""Bytes that are read, and hashed, or gzipped, at a time."""

Write = Callable[[bytes], None]
"""Takes a record."""


class Digest(Protocol):
    """What takes bytes in, as those of hashlib."""

    def update(self, content: bytes | memoryview, /) -> None:
        """Takes more of them."""


def read_records(file: Path, way_out: str, digest: Digest | None = None) -> Iterator[bytes]:
    """Reads the records of one file.

    Args:
        file: TFRecords, gzipped if its name ends in `.gz`.
        way_out: what to do about a file that is damaged, a clause.
        digest: gets the bytes of the file as they are on disk; all of them after the last record.

    Yields:
        The bytes of each.

    Raises:
        UserError: the file can't be read, is of another form or is damaged; the sentence names
            the file, and the record, of which the first is 1.
    """
    number = 1
    try:
        with _open(file, way_out, digest) as stream:
            while (record := _read_record(stream)) is not None:
                yield record
                number += 1
    except (gzip.BadGzipFile, EOFError, zlib.error, _DamageError) as error:
        reason = _reason(error)
        raise UserError(f"{file} is damaged at record {number}: {reason}; {way_out}.") from error
    except OSError as error:
        raise unreadable(file, error) from error


@contextmanager
def new_file(file: Path) -> Iterator[Write]:
    """Yields what writes a record to a new file; the same records give the same bytes.

    Args:
        file: gets TFRecords, gzipped if its name ends in `.gz`.

    Raises:
        OSError: it can't be written.
    """
    with ExitStack() as stack:
        stream: BinaryIO = stack.enter_context(file.open("wb"))
        if file.suffix == GZIP_SUFFIX:
            # Neither name nor time, which would be part of the bytes.
            zipped = gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0)
            # It takes much longer over many small pieces than over a few large ones.
            stream = stack.enter_context(io.BufferedWriter(cast(io.RawIOBase, zipped), _BLOCK))

        def write(record: bytes) -> None:
            length = _LENGTH.pack(len(record))
            stream.write(b"".join((length, _mask(length), record, _mask(record))))

        yield write


class _DamageError(Exception):
    """What is wrong with a record, a clause."""


class _Tapped(io.RawIOBase):
    """A file that shows to a digest what is read of it."""

    def __init__(self, file: io.FileIO, digest: Digest) -> None:
        self._file, self._digest = file, digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._file.readinto(buffer)
        self._digest.update(memoryview(buffer)[:count])
        return count


@contextmanager
def _open(file: Path, way_out: str, digest: Digest | None) -> Iterator[BinaryIO]:
    gzipped = file.suffix == GZIP_SUFFIX
    with open_regular(file) as stream:
        start = stream.read(len(_GZIP_MAGIC))
    if not start:
        raise UserError(
            f"{file} is empty, not even a file without records: {way_out}, or remove it."
            if gzipped
            else f"{file} is empty: {way_out}, or remove it if it should hold nothing."
        )
    if gzipped and start != _GZIP_MAGIC:
        raise UserError(
            f"{file} is not gzipped, though its name ends in {GZIP_SUFFIX}: gzip it, or rename it."
        )
    if not gzipped and start == _GZIP_MAGIC:
        raise UserError(
            f"{file} is gzipped, and its name does not end in {GZIP_SUFFIX}: rename it so that it "
            "does."
        )
    with file.open("rb", buffering=0) as raw:
        stream = io.BufferedReader(_Tapped(raw, digest) if digest else raw, _BLOCK)
        yield cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if gzipped else stream


def _read_record(stream: BinaryIO) -> bytes | None:
    """Reads the next record; None at the end of the file."""
    header = stream.read(_HEADER_SIZE)
    if not header:
        return None
    if len(header) < _HEADER_SIZE:
        raise EOFError
    length_bytes = header[: _LENGTH.size]
    if _mask(length_bytes) != header[_LENGTH.size :]:
        raise _DamageError("the checksum of its length is wrong")
    [length] = _LENGTH.unpack(length_bytes)
    if length > LONGEST:
        raise _DamageError(f"it states {length:,} bytes, and no example has more than {LONGEST:,}")
    content = stream.read(length + _CHECKSUM.size)
    if len(content) < length + _CHECKSUM.size:
        raise EOFError
    record = content[:length]
    if _mask(record) != content[length:]:
        raise _DamageError("its checksum is wrong")
    return record


def _mask(content: bytes) -> bytes:
    """The checksum as it is written."""
    crc = google_crc32c.value(content)
    return _CHECKSUM.pack((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the file is cut off"
    return str(error) if isinstance(error, _DamageError) else "what was gzipped can't be unpacked"
