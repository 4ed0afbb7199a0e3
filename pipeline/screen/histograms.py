"""Histograms in a line of text."""

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#@"
"""From nothing to the most, where the terminal has no blocks."""


def draw(shares: Sequence[float], most: float, width: int, *, ascii_only: bool) -> str:
    """Draws a bar for each bucket, so high as its share.

    Args:
        shares: of the buckets, in 0 to 1.
        most: the share that is as high as a bar can be.
        width: of a bar, in characters.
        ascii_only: whether the terminal can show no more.

    Returns:
        A line of `len(shares) * width` characters; the least share that is any can be seen.
    """
    levels = _ASCII if ascii_only else _BLOCKS
    return "".join(levels[_level(share, most, len(levels) - 1)] * width for share in shares)


def _level(share: float, most: float, highest: int) -> int:
    return max(1, round(share / most * highest)) if share > 0 else 0
