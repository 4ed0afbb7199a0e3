"""Every example held against the contract: an image as a grey PNG, and a label.

What an image or a label must be is told by `features`. TensorFlow is imported when a function
needs it.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.data import framing
from pipeline.data.records import count_classes
from pipeline.errors import UserError
from trainer_module import features

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = _SIGNATURE + struct.pack(">I4s", 13, b"IHDR")
_PIXELS, _NUMBER = struct.Struct(">IIBB"), struct.Struct(">I")
_GREY, _BITS = 0, 8
_WANTED = _START + _PIXELS.pack(features.IMAGE_SIZE, features.IMAGE_SIZE, _BITS, _GREY)

_CHECKED_HEADER = slice(len(_SIGNATURE) + _NUMBER.size, len(_START) + 13)
"""What the checksum of the first chunk is of; the second chunk begins behind that."""

_PIXEL_CHUNK, _LAST_CHUNK = b"IDAT", b"\0\0\0\0IEND\xae\x42\x60\x82"
_ROW = 1 + features.IMAGE_SIZE
"""Bytes: a row begins with the number of its filter, of which the last is 4."""
_LAST_FILTER = 4

_COLOURS = {_GREY: "grey", 2: "RGB", 3: "palette", 4: "grey and transparent", 6: "RGBA"}
_OTHERS = {b"\xff\xd8\xff": "a JPEG", b"GIF8": "a GIF", b"BM": "a BMP", b"RIFF": "a WebP"}

_CONTRACT = (
    f"{features.IMAGE!r} is a PNG of {features.IMAGE_SIZE}×{features.IMAGE_SIZE} pixels, "
    f"{_BITS}-bit grey, and {features.LABEL!r} an int64 from 0 to {features.NUM_CLASSES - 1}"
)

_KINDS: Mapping[type, str] = {bytes: "bytes_list", int: "int64_list"}

_Parse = Callable[[bytes], Any]

_Value = TypeVar("_Value", bytes, int)


class _FaultError(Exception):
    """What an example has that it should not have, a clause."""


@dataclass(frozen=True)
class BadExample:
    """One that is not what examples must be.

    Attributes:
        split: in whose files it is.
        file: in which of them.
        number: of its record in the file, of which the first is 1.
        reason: what it has, a clause.
    """

    split: str
    file: Path
    number: int
    reason: str


@dataclass(frozen=True)
class Checked:
    """What the records of all splits came to.

    Attributes:
        splits: the files of each, by its name.
        examples: those to the contract, by split and class name.
        bad: how many others there are, by split.
        first: of these, in the order of the files; as many as were asked for.
        sha256: of each file.
    """

    splits: Mapping[str, Sequence[Path]]
    examples: Mapping[str, Mapping[str, int]]
    bad: Mapping[str, int]
    first: Sequence[BadExample]
    sha256: Mapping[Path, str]

    @property
    def bad_in_all(self) -> int:
        """How many are not to the contract."""
        return sum(self.bad.values())

    @property
    def in_all(self) -> int:
        """How many examples there are, good and bad."""
        return self.bad_in_all + sum(sum(counts.values()) for counts in self.examples.values())


def count_examples(splits: Mapping[str, Sequence[Path]], way_out: str) -> dict[str, dict[str, int]]:
    """Reads every record of every split, and allows no bad one.

    Args:
        splits: the files of each, by its name.
        way_out: what to do about examples or files that are wrong, a clause.

    Returns:
        Examples by split and class name.

    Raises:
        UserError: a file is damaged, an example breaks the contract, or a split has none.
    """
    checked = check_examples(splits, way_out, keep=1)
    if checked.bad_in_all:
        raise refuse(checked, way_out)
    require_examples(checked, way_out)
    return {split: dict(counts) for split, counts in checked.examples.items()}


def check_examples(splits: Mapping[str, Sequence[Path]], way_out: str, keep: int) -> Checked:
    """Reads every record of every split once, and tells the good from the bad.

    Args:
        splits: the files of each, by its name.
        way_out: what to do about files that are damaged, a clause.
        keep: how many of the bad ones to name.

    Raises:
        UserError: a file is damaged, or has a name that can't be read.
    """
    from tensorflow import train

    # Once, as it is found through several of TensorFlow's lazy modules.
    parse = train.Example.FromString
    labels: dict[str, list[int]] = {split: [] for split in splits}
    bad = dict.fromkeys(splits, 0)
    first: list[BadExample] = []
    sums = {}
    for split, file in ((split, file) for split, files in splits.items() for file in files):
        _check_name(file)
        digest = hashlib.sha256()
        for number, record in enumerate(framing.read_records(file, way_out, digest), 1):
            label = _judge(record, parse)
            if isinstance(label, int):
                labels[split].append(label)
                continue
            bad[split] += 1
            if len(first) < keep:
                first.append(BadExample(split, file, number, str(label)))
        sums[file] = digest.hexdigest()
    examples = {split: count_classes(found) for split, found in labels.items()}
    return Checked(splits, examples, bad, first, sums)


def _check_name(file: Path) -> None:
    """TensorFlow and TFX can't open a file whose name is none in UTF-8."""
    try:
        str(file).encode()
    except UnicodeEncodeError as error:
        name = str(file).encode(errors="backslashreplace").decode()
        raise UserError(f"{name} has a name that is not UTF-8: rename it.") from error


def refuse(checked: Checked, way_out: str, other: str = "") -> UserError:
    """Makes the error for examples that are bad.

    Args:
        checked: has some.
        way_out: what to do about them, a clause.
        other: what else could be done, a clause.
    """
    bad, first = checked.bad_in_all, checked.first[0]
    return UserError(
        f"{bad:,} of {checked.in_all:,} examples {'is' if bad == 1 else 'are'} not what "
        f"examples must be, and the first, record {first.number} of {first.file}, has "
        f"{first.reason}: {way_out}, so that {_CONTRACT}{other and ', or '}{other}."
    )


def require_examples(checked: Checked, way_out: str) -> None:
    """Checks that each split has good examples.

    Raises:
        UserError: one has none.
    """
    for split, counts in checked.examples.items():
        if not any(counts.values()):
            name = _name(checked.splits[split])
            raise UserError(f"{name} holds no example of {split}: {way_out}.")


def _name(files: Sequence[Path]) -> str:
    return f"{files[0]}, or any of {len(files)} files," if len(files) > 1 else str(files[0])


def _judge(record: bytes, parse: _Parse) -> int | _FaultError:
    try:
        return _read_label(record, parse)
    except _FaultError as fault:
        return fault


def _read_label(record: bytes, parse: _Parse) -> int:
    """Reads the label of an example that is to the contract."""
    try:
        feature = parse(record).features.feature
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise _FaultError("bytes that are no tf.Example") from error
    _check_image(_take(feature, features.IMAGE, bytes))
    label = _take(feature, features.LABEL, int)
    if not 0 <= label < features.NUM_CLASSES:
        raise _FaultError(f"the {features.LABEL} {label}")
    return label


def _take(feature: Mapping[str, Any], name: str, wanted: type[_Value]) -> _Value:
    """Takes the one value of a feature."""
    kind = _KINDS[wanted]
    found = feature[name].WhichOneof("kind") if name in feature else None
    if found != kind:
        raise _FaultError(
            f"{_describe_kind(feature, found)} as {name!r} instead of {_with_article(kind)}"
        )
    values: Sequence[_Value] = getattr(feature[name], kind).value
    if len(values) != 1:
        raise _FaultError(f"{len(values)} values as {name!r} instead of one")
    return values[0]


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind.startswith("i") else f"a {kind}"


def _describe_kind(feature: Iterable[str], found: str | None) -> str:
    if found:
        return _with_article(found)
    others = ", ".join(sorted(feature))
    return f"nothing (there is {others})" if others else "nothing"


def _check_image(image: bytes) -> None:
    if not image.startswith(_WANTED):
        raise _FaultError(f"{_describe(image)} as {features.IMAGE!r}")
    if not _is_plain(image) and not _can_be_decoded(image):
        fault = "with pixels that can't be decoded" if _LAST_CHUNK in image else "that is cut off"
        raise _FaultError(f"a PNG {fault} as {features.IMAGE!r}")


def _is_plain(image: bytes) -> bool:
    """Whether a PNG is whole, and has its pixels row by row in one chunk, as nearly all have.

    That takes 8 µs, where TensorFlow's decoder takes 40.
    """
    header = image[_CHECKED_HEADER]
    start = _CHECKED_HEADER.stop + _NUMBER.size
    if image[_CHECKED_HEADER.stop : start] != _checksum(header) or header[-3:] != b"\0\0\0":
        return False
    named = start + _NUMBER.size
    pixels = named + len(_PIXEL_CHUNK)
    if len(image) < pixels or image[named:pixels] != _PIXEL_CHUNK:
        return False
    end = pixels + _NUMBER.unpack_from(image, start)[0]
    if image[end:] != _checksum(image[named:end]) + _LAST_CHUNK:
        return False
    try:
        rows = zlib.decompress(image[pixels:end])
    except zlib.error:
        return False
    return len(rows) == features.IMAGE_SIZE * _ROW and max(rows[::_ROW]) <= _LAST_FILTER


def _checksum(content: bytes) -> bytes:
    return _NUMBER.pack(zlib.crc32(content))


def _can_be_decoded(image: bytes) -> bool:
    """Whether Transform will be able to."""
    from tensorflow import errors

    from trainer_module.preprocessing import decode_image

    try:
        decode_image(image)
    except errors.OpError:
        return False
    return True


def _describe(image: bytes) -> str:
    """What bytes are that are no PNG, or another one."""
    if not image:
        return "no bytes"
    if not image.startswith(_START) or len(image) < len(_WANTED):
        others = (name for start, name in _OTHERS.items() if image.startswith(start))
        return next(others, f"{len(image)} bytes that are no PNG")
    width, height, bits, colour = _PIXELS.unpack_from(image, len(_START))
    kind = _COLOURS.get(colour, f"colour type {colour}")
    return f"a PNG of {width}×{height} pixels, {bits}-bit {kind}"
