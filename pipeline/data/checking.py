"""Every example held against the contract: an image as a grey PNG, and a label.

Of a PNG only the header is looked at, which says its size and what a pixel is. What an image or
a label must be is told by `features`. TensorFlow is imported when a function needs it.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.data import framing
from pipeline.data.records import count_classes
from pipeline.errors import UserError
from trainer_module import features

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = _SIGNATURE + struct.pack(">I4s", 13, b"IHDR")
_PIXELS = struct.Struct(">IIBB")
_GREY, _BITS = 0, 8
_WANTED = _START + _PIXELS.pack(features.IMAGE_SIZE, features.IMAGE_SIZE, _BITS, _GREY)

_LAST_CHUNK = b"IEND"

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


def count_examples(splits: Mapping[str, Sequence[Path]], way_out: str) -> dict[str, dict[str, int]]:
    """Reads every record of every split, and checks it.

    Args:
        splits: the files of each, by its name.
        way_out: what to do about examples or files that are wrong, a clause.

    Returns:
        Examples by split and class name.

    Raises:
        UserError: a file is damaged, an example breaks the contract, or a split has none.
    """
    from tensorflow import train

    # Once, as it is found through several of TensorFlow's lazy modules.
    parse = train.Example.FromString
    labels: dict[str, list[int]] = {}
    faults, first = 0, ""
    for split, files in splits.items():
        labels[split] = []
        for file in files:
            for number, record in enumerate(framing.read_records(file, way_out), 1):
                label = _judge(record, parse)
                if isinstance(label, int):
                    labels[split].append(label)
                else:
                    faults += 1
                    first = first or f"record {number} of {file}, has {label}"
    if faults:
        total = faults + sum(map(len, labels.values()))
        raise UserError(
            f"{faults:,} of {total:,} examples {'is' if faults == 1 else 'are'} not what "
            f"examples must be, and the first, {first}: {way_out}, so that {_CONTRACT}."
        )
    for split, found in labels.items():
        if not found:
            raise UserError(f"{_name(splits[split])} holds no example of {split}: {way_out}.")
    return {split: count_classes(found) for split, found in labels.items()}


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
        raise _FaultError(f"{_describe_kind(feature, found)} as {name!r} instead of a {kind}")
    values: Sequence[_Value] = getattr(feature[name], kind).value
    if len(values) != 1:
        raise _FaultError(f"{len(values)} values as {name!r} instead of one")
    return values[0]


def _describe_kind(feature: Iterable[str], found: str | None) -> str:
    if found:
        return f"a {found}"
    others = ", ".join(sorted(feature))
    return f"nothing (there is {others})" if others else "nothing"


def _check_image(image: bytes) -> None:
    if not image.startswith(_WANTED):
        raise _FaultError(f"{_describe(image)} as {features.IMAGE!r}")
    if _LAST_CHUNK not in image:
        raise _FaultError(f"a PNG that is cut off as {features.IMAGE!r}")


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
