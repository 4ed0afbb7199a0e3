"""Whatever an IDX file holds is an array of the shape that it states, or one sentence."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import idx
from pipeline.errors import UserError
from tests.fuzz import spoiling

SIZES = st.one_of(st.integers(0, 5), st.sampled_from([2**31 - 1, 2**31, 2**32 - 1]))


@st.composite
def contents(draw):
    """What is inside: magic number, shape, and about as many bytes as that needs."""
    shape = draw(st.lists(SIZES, min_size=0, max_size=4))
    magic = draw(st.sampled_from([0x0800 + len(shape), 0x0803, 0x0801, 0x0D03]))
    length = int(np.prod([min(size, 5) for size in shape]))
    values = draw(st.binary(min_size=length, max_size=length))
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + values


INSIDES = st.one_of(contents(), spoiling.damaged(contents()))
FILES = spoiling.files(INSIDES.map(lambda content: gzip.compress(content, mtime=0)))


@pytest.mark.parametrize("dimensions", [1, 3])
@given(content=FILES)
def test_an_idx_file_is_read_or_refused(tmp_path_factory, dimensions, content):
    file = tmp_path_factory.getbasetemp() / "values.gz"
    file.write_bytes(content)
    try:
        values = idx.read_idx(file, dimensions=dimensions)
    except UserError as error:
        str(error).encode()
        return
    inside = gzip.decompress(content)
    assert values.shape == struct.unpack_from(f">{dimensions}I", inside, 4)
    assert values.tobytes() == inside[4 + 4 * dimensions :]
