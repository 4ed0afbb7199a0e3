import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline import config
from pipeline.causes import describe_cause
from pipeline.data import writing
from pipeline.data.idx import LabelledImages
from pipeline.errors import LostProcessError


def labelled(count, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
    return LabelledImages(images, np.arange(count, dtype=np.int64) % 10)


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Five, of 15 examples each but for the last, which has 4."""
    monkeypatch.setattr(writing, "EXAMPLES_PER_SHARD", 15)
    return writing.cut(tmp_path, {"train": labelled(60), "test": labelled(4, seed=1)})


@pytest.fixture
def in_processes(monkeypatch):
    """Takes their number, whatever this machine has."""

    def in_processes(count):
        monkeypatch.setattr(writing, "_EXAMPLES_PER_PROCESS", 5)
        monkeypatch.setattr(writing.os, "sched_getaffinity", lambda pid: set(range(count)))

    return in_processes


def children():
    """The processes that this one has started and that have not ended, by their ids."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def contents(shards):
    return {shard.file.name: shard.file.read_bytes() for shard in shards}


def test_shards_have_the_examples_of_a_split_in_order_and_about_evenly(shards):
    names = [shard.file.name for shard in shards]
    assert names == [
        *(f"train-{number:05d}-of-00004.tfrecord.gz" for number in range(4)),
        "test-00000-of-00001.tfrecord.gz",
    ]
    np.testing.assert_array_equal(
        np.concatenate([shard.images for shard in shards[:4]]), labelled(60).images
    )
    assert [len(shard.labels) for shard in shards] == [15, 15, 15, 15, 4]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_bytes_are_the_same_however_many_processes_write(shards, in_processes, count):
    writing.write(shards)
    alone = contents(shards)
    for shard in shards:
        shard.file.unlink()
    in_processes(count)
    writing.write(shards)
    assert contents(shards) == alone


@pytest.mark.parametrize(("processors", "expected"), [(1, 1), (3, 3), (64, 5)])
def test_there_are_as_many_processes_as_processors_and_no_more_than_shards(
    shards, in_processes, processors, expected
):
    in_processes(processors)
    before, during = children(), []
    writing.write(shards, lambda: during.append(children() - before))
    assert [len(some) for some in during] == [expected]
    assert children() == before


def test_little_is_written_without_another_process(shards):
    called = []
    writing.write(shards, lambda: called.append(1))
    assert contents(shards)
    assert not called


def test_each_process_gets_about_as_many_examples(shards):
    parts = writing._share_out(shards, 2)
    assert sorted(sum(len(one.labels) for one in part) for part in parts) == [30, 34]


def test_what_a_process_can_not_write_is_raised(shards, in_processes):
    in_processes(2)
    shards[3].file.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        writing.write(shards)
    assert caught.value.strerror == "Is a directory"


def test_a_process_that_is_killed_is_told(shards, in_processes):
    in_processes(1)
    before = children()

    def kill():
        [child] = children() - before
        os.kill(child, signal.SIGKILL)

    with pytest.raises(LostProcessError) as caught:
        writing.write(shards, kill)
    assert describe_cause(caught.value) == (
        "A process that wrote records was ended by SIGKILL, perhaps for want of memory; run again, "
        "and end other programs first where memory is short."
    )


def test_what_is_raised_meanwhile_ends_the_processes(shards, in_processes):
    in_processes(2)
    before = children()

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write(shards, interrupt)
    assert children() == before


# Some have read the request, some have not, by the seconds that are waited.
KILLED = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from pipeline.data import writing
from pipeline.data.idx import LabelledImages

split = LabelledImages(np.zeros([200_000, 28, 28], np.uint8), np.zeros(200_000, np.int64))

def die():
    time.sleep(WAIT)
    print(Path("/proc/self/task", str(os.getpid()), "children").read_text(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

writing.write(writing.cut(Path(sys.argv[1]), {"train": split}), die)
"""


@pytest.mark.parametrize("wait", [0, 1])
def test_no_process_outlives_the_one_that_started_it(tmp_path, wait):
    ended = subprocess.run(
        [sys.executable, "-c", KILLED.replace("WAIT", str(wait)), str(tmp_path)],
        cwd=config.PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    started = [Path("/proc", pid) for pid in ended.stdout.split()]
    assert started
    deadline = time.monotonic() + 20
    while any(process.exists() for process in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process.exists() for process in started)
