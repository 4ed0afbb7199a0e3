"""Labelled images as shards of TFRecords, written by several processes at once.

Encoding PNGs is most of the work. Free of TensorFlow, which each process would have to import.

Run as a program, this is such a process: it takes shards from its standard input, writes them, and
puts on its standard output what went wrong, if something did, both as Python pickles them.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from components.programs import describe_exit, module_program
from pipeline.data import framing
from pipeline.data.examples import to_example
from pipeline.errors import LostProcessError

if TYPE_CHECKING:
    from pipeline.data.idx import LabelledImages

EXAMPLES_PER_SHARD = 15_000

_EXAMPLES_PER_PROCESS = 5_000
"""For fewer it takes longer to start one than to write them."""


@dataclass(frozen=True)
class Shard:
    """A file to be written, and what it gets: images uint8 [N, H, W] and labels int64 [N]."""

    file: Path
    images: np.ndarray
    labels: np.ndarray


def cut(directory: Path, splits: Mapping[str, "LabelledImages"]) -> list[Shard]:
    """Cuts splits, by their names, into shards of about the same size.

    Their files are `<split>-<shard>-of-<shards>.tfrecord.gz` in the directory.
    """
    return [shard for name, split in splits.items() for shard in _cut(directory, name, split)]


def _cut(directory: Path, name: str, split: "LabelledImages") -> Iterator[Shard]:
    count = max(1, -(-len(split.labels) // EXAMPLES_PER_SHARD))
    parts = (np.array_split(array, count) for array in (split.images, split.labels))
    for number, (images, labels) in enumerate(zip(*parts, strict=True)):
        yield Shard(directory / f"{name}-{number:05d}-of-{count:05d}.tfrecord.gz", images, labels)


def write(shards: Sequence[Shard], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Writes shards, by as many processes as there are processors where there is much to write.

    The same shards give the same bytes, whoever writes them.

    Args:
        shards: with files in directories that exist.
        meanwhile: called while other processes write, if they do.

    Raises:
        OSError: a file can't be written.
        LostProcessError: a process died.
    """
    examples = sum(len(shard.labels) for shard in shards)
    processors = len(os.sched_getaffinity(0))
    count = min(processors, len(shards), examples // _EXAMPLES_PER_PROCESS)
    if not count:
        _write(shards)
        return
    with ExitStack() as stack:
        running = [stack.enter_context(_process(part)) for part in _share_out(shards, count)]
        meanwhile()
        for process in running:
            _check(process)


def _write(shards: Sequence[Shard]) -> None:
    for shard in shards:
        with framing.new_file(shard.file) as write_record:
            for image, label in zip(shard.images, shard.labels.tolist(), strict=True):
                write_record(to_example(image, label))


def _share_out(shards: Sequence[Shard], count: int) -> list[list[Shard]]:
    """Gives each process about as many examples, the largest shards first."""
    parts: list[list[Shard]] = [[] for _ in range(count)]
    for shard in sorted(shards, key=lambda shard: len(shard.labels), reverse=True):
        min(parts, key=lambda part: sum(len(one.labels) for one in part)).append(shard)
    return parts


@contextmanager
def _process(shards: Sequence[Shard]) -> Iterator[subprocess.Popen]:
    """Yields a process that writes shards; it does not outlive the block, nor this process."""
    with subprocess.Popen(
        module_program(__name__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C reaches the command alone, which then ends what it started.
        start_new_session=True,
    ) as process:
        stdin, _ = _pipes(process)
        try:
            # One that died at once can't read it. The pipe stays open: its end says that this
            # process is gone.
            with suppress(BrokenPipeError):
                stdin.write(pickle.dumps([(one.file, one.images, one.labels) for one in shards]))
                stdin.flush()
            yield process
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                stdin.close()


def _pipes(process: subprocess.Popen) -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output, which are pipes, as asked for above."""
    return cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)


def _check(process: subprocess.Popen) -> None:
    """Waits for the end of a process, and raises what it raised."""
    _, stdout = _pipes(process)
    said = stdout.read()
    code = process.wait()
    if said:
        raise pickle.loads(said)
    if code:
        raise LostProcessError(
            f"A process that wrote records {describe_exit(code)}; run again, and end other "
            "programs first where memory is short."
        )


def _run() -> None:
    shards = [Shard(*fields) for fields in pickle.load(sys.stdin.buffer)]
    threading.Thread(target=_follow, args=(sys.stdin.fileno(),), daemon=True).start()
    try:
        _write(shards)
    except Exception as error:
        pickle.dump(error, sys.stdout.buffer)


def _follow(stdin: int) -> None:
    """Ends this process with the one that started it."""
    os.read(stdin, 1)
    os._exit(1)


if __name__ == "__main__":
    _run()
