"""Shards: files of one set, whose names tell how many there are."""

import re
from collections.abc import Iterable
from pathlib import Path


def find_lost_shard(files: Iterable[Path]) -> str | None:
    """Finds a shard that is missing by the names of the others, `…-00000-of-00002…`.

    Args:
        files: those that there are.

    Returns:
        The name of the first that is missing; None if no name tells of one.
    """
    shards: dict[tuple[str, ...], set[int]] = {}
    for file in files:
        if match := re.fullmatch(r"(.*-)(\d+)(-of-)(\d+)(.*)", file.name):
            before, number, of, count, after = match.groups()
            shards.setdefault((before, of, count, after), set()).add(int(number))
    for (before, of, count, after), there in shards.items():
        lost = next((number for number in range(int(count)) if number not in there), None)
        if lost is not None:
            return f"{before}{lost:0{len(count)}d}{of}{count}{after}"
    return None
