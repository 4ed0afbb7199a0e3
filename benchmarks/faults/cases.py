"""The faults, by name."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.faults.running import Ended, Running, send
from benchmarks.faults.trial import FIRST_SEED, SEED, Case, Disturb, Scene, Start, copy
from pipeline import nodes, workspace

_LEFT_OUT = {nodes.LEARNING_RATE_FINDER, *nodes.OF_SPANS}
"""The rate is fixed, so that a run is short, and there is one span."""

NODES = [node for node in nodes.NODES if node not in _LEFT_OUT]
"""Those that run."""

_MADE_ANEW = NODES[NODES.index(nodes.TRAINER) :]
"""What another seed makes anew; all else is taken from the cache of a prepared root."""

_DAY_S = 24 * 60 * 60
_STOPPED_S = 5.0
_SETTLED_S = 0.5
_PLENTY = "2g"
"""Of a disk that is full no longer, as mount takes it."""

Act = Callable[[Scene, Running], None]


def cases(days: int = 0) -> dict[str, Case]:
    """All faults by name.

    Args:
        days: how many runs follow one another in one root, each with a fault of its own.
    """
    found = dict(_cases())
    if days:
        found[f"{days} runs with a fault each"] = Case(_days(days, found))
    return found


def _cases() -> Iterator[tuple[str, Case]]:
    for number, node in enumerate(NODES):
        begin: Start = "prepared" if node in _MADE_ANEW else "empty"
        yield f"SIGKILL in {node}", Case(_break_in([node], _kill_in_turn(number)), begin)
    for number in (signal.SIGTERM, signal.SIGHUP):
        yield number.name, _while_running(_signal(number))
    yield "SIGSTOP, then SIGCONT", _while_running(_stop_and_go)
    yield "Ctrl-C", _while_running(_signal(signal.SIGINT))
    yield "Ctrl-C twice", _while_running(_signal(signal.SIGINT, signal.SIGINT))
    for free in ("0", "64k", "256k", "512k", "1m", "4m"):
        yield f"{free} free on the disk", Case(_fill(free), obstacle=_find_mount_obstacle)
    yield "disk read-only", Case(_make_read_only, obstacle=_find_mount_obstacle)
    yield "64 descriptors", _limited(resource.RLIMIT_NOFILE, 64)
    for gigabytes in (1, 4, 8):
        name = f"{gigabytes} GB of address space"
        yield name, _limited(resource.RLIMIT_AS, gigabytes << 30)
    for node in NODES:
        yield f"files of {node} deleted", Case(_delete_files(node), seed=FIRST_SEED)
    yield "all artifacts deleted", Case(_delete_artifacts)
    yield "root moved", Case(_move)
    yield "metadata.db garbled", Case(_damage(_garble))
    yield "metadata.db cut", Case(_damage(_cut))
    yield "metadata.db locked", Case(_lock)
    yield "clock put back a day", Case(_put_clock_back)
    yield "two runs in one root", Case(_run_beside)
    yield "two runs in two roots", Case(_run_in_another)


def _while_running(act: Act) -> Case:
    return Case(_break_in(_MADE_ANEW, act))


def _break_in(among: Sequence[str], act: Act) -> Disturb:
    """Acts at a random moment of one of the components."""

    def disturb(scene: Scene) -> str:
        node, running = scene.random.choice(among), scene.start()
        if running.wait_for(f"{node}: running", scene.bench.limit_s):
            time.sleep(scene.random.uniform(0, scene.bench.seconds(node)))
        act(scene, running)
        return scene.end(running).sentence

    return disturb


def _kill_in_turn(first: int) -> Act:
    """Kills the command, the worker, or both, by the number of the try and that of the row."""

    def act(scene: Scene, running: Running) -> None:
        command, workers = [running.process.pid], running.workers()
        victims = (command, workers, command + workers)
        send(signal.SIGKILL, victims[(first + scene.number) % len(victims)])

    return act


def _signal(*numbers: int) -> Act:
    def act(scene: Scene, running: Running) -> None:
        for number in numbers:
            send(number, [running.process.pid])
            time.sleep(_SETTLED_S)

    return act


def _stop_and_go(scene: Scene, running: Running) -> None:
    processes = [running.process.pid, *running.workers()]
    send(signal.SIGSTOP, processes)
    time.sleep(_STOPPED_S)
    send(signal.SIGCONT, processes)


def _limited(what: int, amount: int) -> Case:
    def disturb(scene: Scene) -> str:
        running = scene.start()
        running.limit(what, amount)
        return scene.end(running).sentence

    return Case(disturb)


def _fill(free: str) -> Disturb:
    """Leaves so much free on a disk that has the root alone, and then makes room."""

    def disturb(scene: Scene) -> str:
        _mount(scene)
        _occupy(scene.root, _to_bytes(free))
        said = scene.run().sentence
        _remount(scene.root, f"size={_PLENTY}")
        return said

    return disturb


def _to_bytes(size: str) -> int:
    units = {"k": 1 << 10, "m": 1 << 20}
    return int(size.rstrip("km")) * units.get(size[-1], 1)


def _make_read_only(scene: Scene) -> str:
    _mount(scene)
    _remount(scene.root, "ro")
    said = scene.run().sentence
    _remount(scene.root, "rw")
    return said


def _mount(scene: Scene) -> None:
    """Puts the root on a disk of its own, in memory."""
    aside = scene.root.with_name("aside")
    scene.root.rename(aside)
    scene.root.mkdir()
    _call("mount", "-t", "tmpfs", "-o", f"size={_PLENTY}", "tmpfs", str(scene.root))
    scene.until_end.callback(_call, "umount", "--lazy", str(scene.root))
    copy(aside, scene.root)


def _occupy(root: Path, free: int) -> None:
    """Makes the disk so small that just so many bytes are free, in whole pages."""
    status = os.statvfs(root)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    _remount(root, f"size={used + free}")


def _remount(root: Path, options: str) -> None:
    _call("mount", "-o", f"remount,{options}", str(root))


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _find_mount_obstacle() -> str | None:
    with tempfile.TemporaryDirectory() as place:
        try:
            _call("mount", "-t", "tmpfs", "tmpfs", place)
        except (OSError, subprocess.CalledProcessError):
            return "nothing may be mounted here, as it may by root"
        _call("umount", place)
    return None


def _delete_files(node: str) -> Disturb:
    """Deletes what a component put out, with its directories or without."""

    def disturb(scene: Scene) -> str:
        whole = scene.random.random() < 0.5
        for output in workspace.Workspace("", scene.root, scene.root).artifacts.glob(f"{node}/*/*"):
            for path in [output] if whole else output.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return "deleted, with the directories" if whole else "deleted, without the directories"

    return disturb


def _delete_artifacts(scene: Scene) -> str:
    shutil.rmtree(scene.root / "artifacts")
    return "deleted between two runs"


def _move(scene: Scene) -> str:
    scene.root = scene.root.rename(scene.root.with_name("moved"))
    return "moved between two runs"


def _garble(metadata: Path, scene: Scene) -> None:
    content = bytearray(metadata.read_bytes())
    start = scene.random.randrange(100, len(content) // 2)
    content[start : start + len(content) // 2] = scene.random.randbytes(len(content) // 2)
    metadata.write_bytes(content)


def _cut(metadata: Path, scene: Scene) -> None:
    size = metadata.stat().st_size
    os.truncate(metadata, scene.random.randrange(1, size))


def _damage(spoil: Callable[[Path, Scene], None]) -> Disturb:
    def disturb(scene: Scene) -> str:
        spoil(workspace.metadata(scene.root), scene)
        said = scene.run().sentence
        repair = ("pipeline.runs", "--root", str(scene.root), "repair", "--yes")
        repaired = scene.bench.ask(scene.place, *repair)
        return f"{said} (That ended with {repaired.code}.)"

    return disturb


def _lock(scene: Scene) -> str:
    with closing(sqlite3.connect(workspace.metadata(scene.root))) as database:
        database.execute("BEGIN EXCLUSIVE")
        return scene.run().sentence


def _put_clock_back(scene: Scene) -> str:
    """Makes the root one of tomorrow, as the clock is the whole machine's."""
    for path in scene.root.rglob("*"):
        status = path.lstat()
        os.utime(path, (status.st_atime, status.st_mtime + _DAY_S), follow_symlinks=False)
    metadata = workspace.metadata(scene.root)
    with closing(sqlite3.connect(metadata)) as database, database:
        for table in ("Artifact", "Execution", "Context"):
            for column in ("create_time_since_epoch", "last_update_time_since_epoch"):
                database.execute(f"UPDATE {table} SET {column} = {column} + ?", [_DAY_S * 1000])
        database.execute(
            "UPDATE Event SET milliseconds_since_epoch = milliseconds_since_epoch + ?",
            [_DAY_S * 1000],
        )
    return "simulated: files and metadata of the root are of a day later"


def _run_beside(scene: Scene) -> str:
    first = scene.start()
    first.wait_for("loading TFX", scene.bench.limit_s)
    second = scene.run()
    return _tell_both(scene.end(first), second)


def _run_in_another(scene: Scene) -> str:
    other = scene.root.with_name("other")
    copy(scene.root, other)
    first, second = scene.start(), scene.start(other)
    return _tell_both(scene.end(first), scene.end(second))


def _tell_both(first: Ended, second: Ended) -> str:
    return f"the first: {first.sentence}; the second: {second.sentence}"


def _days(days: int, found: dict[str, Case]) -> Disturb:
    """Has many runs in one root meet a fault each."""
    fit = ("SIG", "Ctrl-C", "files of", "metadata.db")
    chosen = [
        case
        for name, case in found.items()
        # What needs no disk of its own, and breaks what a run in a prepared root comes to.
        if name.startswith(fit) and case.begin == "prepared"
    ]

    def disturb(scene: Scene) -> str:
        for day in range(days):
            # Or there would be nothing to do.
            scene.seed = SEED + 1 + day
            calls = scene.calls
            scene.random.choice(chosen).disturb(scene)
            if scene.calls == calls:
                scene.run()
        scene.seed = SEED
        return "each met a fault, and was not started again"

    return disturb
