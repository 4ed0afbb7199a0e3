from pathlib import Path

import pytest

from pipeline.data.shards import find_lost_shard


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["a-0-of-2", "a-1-of-2"], None),
        (["a-00000-of-00002.gz"], "a-00001-of-00002.gz"),
        (["a-00001-of-00002.gz"], "a-00000-of-00002.gz"),
        (["a-00000-of-00001", "b-00000-of-00002"], "b-00001-of-00002"),
        (["a-00000-of-00001", "train.tfrecord"], None),
        # Names that state more files than any memory would hold.
        (["a-0-of-99999999999"], "a-00000000001-of-99999999999"),
        ([], None),
    ],
)
def test_a_shard_is_missing_by_the_names_of_the_others(names, lost):
    assert find_lost_shard([Path("below", name) for name in names]) == lost
