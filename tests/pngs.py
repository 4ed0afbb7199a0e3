"""PNGs of every kind, made by hand, so that what they hold is known without a decoder."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGBA: (8, 16),
}
# Of Adam7: first column and row, and steps.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


@dataclass(frozen=True)
class Kind:
    """A kind of PNG: its colour type, the bits of a sample, and what else it may have."""

    colour: int
    depth: int
    transparent: bool
    interlaced: bool

    def __str__(self) -> str:
        names = {GREY: "grey", RGB: "rgb", PALETTE: "palette", GREY_ALPHA: "grey+alpha"}
        extras = ["transparent"] * self.transparent + ["interlaced"] * self.interlaced
        return "-".join([names.get(self.colour, "rgba"), str(self.depth), *extras])


KINDS = [
    Kind(colour, depth, transparent, interlaced)
    for colour, depths in _DEPTHS.items()
    for depth in depths
    for transparent in ((False, True) if colour in (GREY, RGB, PALETTE) else (False,))
    for interlaced in (False, True)
]


def make_samples(kind: Kind, side: int = 28) -> np.ndarray:
    """Draws samples of all values that the kind has, [side, side, channels]."""
    rng = np.random.default_rng(kind.depth)
    return rng.integers(0, 2**kind.depth, (side, side, _CHANNELS[kind.colour]))


def encode(kind: Kind, samples: np.ndarray) -> bytes:
    """Encodes samples; a grey or RGB that may be transparent is where it is like the first."""
    side = len(samples)
    header = struct.pack(">IIBBBBB", side, side, kind.depth, kind.colour, 0, 0, kind.interlaced)
    chunks = [(b"IHDR", header)]
    if kind.colour == PALETTE:
        rng = np.random.default_rng(0)
        chunks.append((b"PLTE", rng.bytes(3 * 2**kind.depth)))
    if kind.transparent:
        chunks.append((b"tRNS", _transparency(kind, samples)))
    passes = _PASSES if kind.interlaced else ((0, 0, 1, 1),)
    rows = [row for x, y, right, down in passes for row in samples[y::down, x::right]]
    data = b"".join(b"\0" + _pack(row.reshape(-1), kind.depth) for row in rows)
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def _transparency(kind: Kind, samples: np.ndarray) -> bytes:
    if kind.colour == PALETTE:
        return bytes([0, 128])
    return samples[0, 0].astype(">u2").tobytes()


def _pack(values: np.ndarray, depth: int) -> bytes:
    if depth == 16:
        return values.astype(">u2").tobytes()
    bits = (values[:, np.newaxis] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    """Writes a chunk with its length and its checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum
