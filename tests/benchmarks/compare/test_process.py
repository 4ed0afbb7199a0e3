import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.compare import process

_MEGABYTES = 200


def python(source: str) -> list[str]:
    return [sys.executable, "-S", "-c", source]


def test_a_command_gives_its_output_and_what_it_took():
    source = "import time; time.sleep(0.3); print('done')"
    said, usage = process.run(python(source))
    assert said == "done\n"
    assert usage.wall_s >= 0.3
    assert 0 < usage.cpu_s < usage.wall_s


def test_processes_below_the_command_count():
    below = f"x = bytearray({_MEGABYTES}_000_000); sum(range(3_000_000))"
    source = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {below!r}])"
    _, idle = process.run(python("pass"))
    _, usage = process.run(python(source))
    assert usage.peak_mb > _MEGABYTES
    assert usage.cpu_s > idle.cpu_s


def test_memory_of_several_processes_at_once_is_added_up(monkeypatch):
    monkeypatch.setattr(process, "_SAMPLED_S", 0.05)
    hold = f"import sys; x = bytearray({_MEGABYTES}_000_000); print(flush=True); sys.stdin.read()"
    source = f"""
import subprocess, sys, time
call = [sys.executable, "-S", "-c", {hold!r}]
pipe = subprocess.PIPE
both = [subprocess.Popen(call, stdin=pipe, stdout=pipe) for _ in range(2)]
[one.stdout.readline() for one in both]
time.sleep(1)
[one.communicate() for one in both]
"""
    assert process.run(python(source))[1].peak_mb > 2 * _MEGABYTES


def test_memory_that_processes_share_counts_once():
    source = f"""
import os, sys
x = bytearray({_MEGABYTES}_000_000)
if os.fork():
    os.wait()
else:
    print(flush=True)
    sys.stdin.read()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen(python(source), stdin=pipe, stdout=pipe) as both:
        both.stdout.readline()
        found = process._resident(both.pid) / 1e6
        both.communicate()
    assert _MEGABYTES < found < 1.5 * _MEGABYTES


def test_a_command_that_fails_says_why():
    with pytest.raises(process.FailedError, match=r"ended with 3:\n(.|\n)*no data"):
        process.run(python("import sys; print('no data', file=sys.stderr); sys.exit(3)"))


def test_an_exit_code_may_be_expected():
    assert process.run(python("import sys; sys.exit(3)"), expected=(3,))[0] == ""


@pytest.fixture
def interrupt_once_there():
    """Interrupts this process as soon as there is something in a file."""

    def interrupt(*_):
        raise KeyboardInterrupt

    def wait(file):
        while not (file.exists() and file.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield lambda file: threading.Thread(target=wait, args=(file,), daemon=True).start()
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_ends_the_command_and_what_it_started(
    interrupt_once_there, tmp_path, monkeypatch
):
    monkeypatch.setattr(process, "_PATIENCE_S", 0.5)
    note = tmp_path / "pid"
    # Both are deaf to a request to end, and the one below tells that it is there.
    deaf = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    below = f"{deaf}; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    source = (
        f"{deaf}; import subprocess;"
        f"subprocess.run([sys.executable, '-S', '-c', {below!r}, {str(note)!r}])"
    )
    interrupt_once_there(note)
    with pytest.raises(KeyboardInterrupt):
        process.run(python(source))
    deadline = time.monotonic() + 10
    while is_running(int(note.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
