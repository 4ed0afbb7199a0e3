"""Strategies that spoil what is valid: values, keys, bytes, lengths and depths."""

import copy
import json

from hypothesis import strategies as st

_HUGE = [0, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**400]
_TEXTS = st.one_of(
    # Surrogates too, which JSON can spell and UTF-8 can't.
    st.text(st.characters(), max_size=8),
    st.sampled_from(
        ["", "\0", '"', "\\", "\n", "\ud800", "/\udfff/a", "../..", "7", "07", "٧", "9" * 5000]
    ),
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(_HUGE),
    st.floats(),
    _TEXTS,
    st.sampled_from(["0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00"]),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)
    ),
    max_leaves=5,
)
"""Whatever JSON can say, and NaN."""


def _places(value, path=()):
    """The paths of all that is in a value."""
    yield path
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from _places(child, (*path, key))


@st.composite
def documents(draw, *valid):
    """One of some documents, in which up to three values or keys are not as they were."""
    document = copy.deepcopy(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(_places(document))))
        if not path:
            if draw(st.integers(0, 20)) == 0:
                document = draw(VALUES)
            elif isinstance(document, dict):
                document[draw(_TEXTS)] = draw(VALUES)
            continue
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if draw(st.integers(0, 3)):
            parent[path[-1]] = draw(VALUES)
        else:
            del parent[path[-1]]
    return document


@st.composite
def damaged(draw, valid):
    """The bytes of a file that was cut off, overwritten or lengthened, or of another one."""
    content = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        damage = draw(st.sampled_from(["cut", "flip", "insert", "repeat", "drop"]))
        if damage == "cut":
            del content[place:]
        elif damage == "flip" and place < len(content):
            content[place] ^= draw(st.integers(1, 255))
        elif damage == "insert":
            content[place:place] = draw(st.binary(max_size=8))
        elif damage == "repeat":
            content[place:place] = content[place : place + 40]
        else:
            del content[place : place + draw(st.integers(1, 8))]
    return bytes(content)


def files(valid):
    """Bytes: spoiled ones of a strategy of valid ones, and whatever else a file may have."""
    deep = st.sampled_from([b"[", b'{"a":']).map(lambda start: start * 5000)
    return st.one_of(valid, damaged(valid), st.binary(max_size=200), deep)


def json_files(*valid):
    """The same of JSON documents, their values spoiled by type."""
    written = documents(*valid).map(lambda document: json.dumps(document).encode())
    return st.one_of(written, files(written))
