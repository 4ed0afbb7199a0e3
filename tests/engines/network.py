"""A network of its own: it has a loopback interface and nothing else. Run as a program, it stays.

What binds all addresses, as Prism and Beam's worker pools do, binds none of this machine there.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_READ_FLAGS, _WRITE_FLAGS = 0x8913, 0x8914
_UP = 0x1


@dataclass(frozen=True)
class Network:
    """Where a command runs.

    Attributes:
        holder: the process that keeps the network; None where this machine allows none.
    """

    holder: int | None

    def command(self, *words: object, hidden: object = None) -> list[str]:
        """Makes a command run in it.

        Args:
            words: the command.
            hidden: a directory that is empty for it, which needs a network of its own.
        """
        command = [str(word) for word in words]
        if hidden is not None:
            # Not by unshare, which gives up where the root directory is no mount, as in a chroot.
            mount = 'mount --make-rprivate / 2>/dev/null; mount -t tmpfs none "$0" && exec "$@"'
            apart = ["unshare", "--mount", "--propagation=unchanged"]
            command = [*apart, "sh", "-c", mount, str(hidden), *command]
        if self.holder is None:
            return command
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.holder}", "--net", *user, *command]


@contextmanager
def own_network() -> Iterator[Network]:
    """Yields a network of its own where this machine allows one, and otherwise its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        yield Network(None)
        return
    holder = subprocess.Popen(
        ["unshare", "--net", *user, sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Network(holder.pid if holder.stdout.readline() else None)
    finally:
        holder.kill()
        holder.communicate()


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _READ_FLAGS, request))
        request = struct.pack("16sh14x", b"lo", flags | _UP)
        fcntl.ioctl(any_socket, _WRITE_FLAGS, request)


def find_free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


if __name__ == "__main__":
    _bring_up_loopback()
    print("up", flush=True)
    # Until whoever asked for it is gone.
    sys.stdin.read()
