import io

import numpy as np
import pytest
from PIL import Image

from pipeline.data import writing


@pytest.fixture
def parent(tmp_path):
    return tmp_path / "records"


@pytest.fixture
def in_one_process(monkeypatch):
    """Has records written by the test's own process, however many there are."""
    monkeypatch.setattr(writing, "_EXAMPLES_PER_PROCESS", 1_000_000)


@pytest.fixture
def read(read_records):
    """The examples of a prepared split, in order: the pixels' bytes with their label."""

    def read(prepared, split):
        pattern = prepared.pattern.format(SPAN="*", VERSION="*", SPLIT=split)
        return [
            (np.asarray(Image.open(io.BytesIO(png))).tobytes(), label)
            for png, label in read_records(prepared.directory.glob(pattern))
        ]

    return read
