import subprocess
import sys

import numpy as np
import pytest

from benchmarks import memory
from pipeline.data import records
from pipeline.data.idx import LabelledImages
from pipeline.engine.protocol import Finished, NodeEvent, StepEvent

TAKES = """
import time
print("ready", flush=True)
input()
taken = bytearray(100 << 20)
end = time.process_time() + 0.5
while time.process_time() < end:
    pass
del taken
print("done", flush=True)
input()
"""


@pytest.fixture
def process():
    """One that takes 100 MB and half a second of CPU when it is told to, and says when it has."""
    with subprocess.Popen(
        [sys.executable, "-c", TAKES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_each_node_is_charged_with_what_the_process_took_meanwhile(process):
    meter = memory.Meter()
    meter.start(process.pid)
    meter.handle(NodeEvent(node="Quiet", state="running"))
    meter.handle(NodeEvent(node="Quiet", state="done"))
    meter.handle(NodeEvent(node="Busy", state="running"))
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"
    meter.handle(NodeEvent(node="Busy", state="done"))
    meter.handle(StepEvent(text="resting"))
    meter.handle(Finished())
    assert list(meter.usages) == ["starting", "Quiet", "Busy", "resting"]
    quiet, busy, resting = (meter.usages[name] for name in ("Quiet", "Busy", "resting"))
    assert busy.peak - quiet.peak > 90 << 20
    assert busy.peak - resting.peak > 90 << 20
    assert 0.4 < busy.cpu < 2
    assert max(quiet.cpu, resting.cpu) < 0.3


def test_copies_differ_and_keep_their_labels(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, [20, 28, 28], np.uint8)
    split = LabelledImages(images, np.arange(20) % 10)
    monkeypatch.setattr(memory, "read_splits", lambda: {"train": split})
    memory.write_copies(tmp_path / "data", 3)
    files = sorted((tmp_path / "data").iterdir())
    assert {file.name.partition("-")[0] for file in files} == {"train"}
    assert len(files) == 3
    # Those that the reader of these takes are not gzipped.
    read = [read_gzipped(file) for file in files]
    assert len({image.tobytes() for one in read for image in one.images}) == 60
    for one in read:
        np.testing.assert_array_equal(one.labels, split.labels)


def read_gzipped(file):
    plain = file.with_suffix("")
    plain.write_bytes(subprocess.run(["gzip", "-dc", file], capture_output=True, check=True).stdout)
    found = records.read_labelled_images([plain])
    plain.unlink()
    return found


@pytest.mark.parametrize(
    ("seconds", "expected"), [([2, 8], "1.00"), ([5, 5], "0.00"), ([1, 16], "2.00")]
)
def test_the_exponent_is_that_of_the_power_by_which_seconds_grow(seconds, expected):
    assert memory.show_exponent([1, 4], seconds).strip() == expected


def test_of_one_scale_there_is_no_exponent():
    assert memory.show_exponent([4], [7.0]) == ""
