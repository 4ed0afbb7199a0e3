"""Interrupts of the worker that can't be lost, and an end for one that doesn't heed them.

Python raises an interrupt wherever the main thread happens to be, and whoever catches everything
there swallows it, as AutoGraph does while it converts a function. So it is raised again until what
it is to break off has been left; it is raised nowhere else, so that no record of what was done is
cut short; and if all that has not ended the process in time, it is killed. Free of TensorFlow.
"""

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from pipeline.engine.protocol import GRACE_S
from pipeline.errors import UserError

T = TypeVar("T")

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

_BREAK_OFF = signal.SIGUSR2
"""By which a thread of this process has the main thread leave what may be broken off."""

_REPEAT_S = 3.0
"""Until an interrupt that was swallowed is raised again: time to clean up for one that was not."""


class Interruption(BaseException):
    """What a signal raises: none of those that `except Exception` takes for its own."""


class InterruptedRunError(Exception):
    """The run was asked to stop. An exception, so that TFX marks the node as failed."""


class StoppedRunError(UserError):
    """The command ended the run, for the reason that it says."""


class BrokenOffError(InterruptedRunError):
    """What was called had to end, as something else had failed."""


class Interrupts:
    """Whether this process was asked to stop, and what it must not be stopped in.

    Until `take`, it never was.
    """

    def __init__(self, grace_s: float = GRACE_S, repeat_s: float = _REPEAT_S) -> None:
        """Takes the seconds in which the process must end, and those until it is asked again."""
        self._grace_s = grace_s
        self._repeat_s = repeat_s
        self._asked = False
        self._reason = ""
        self._breakable = False
        self._raised = float("-inf")
        self._taken = self._broken_off = False

    def take(self) -> None:
        """Takes the signals of this process from here on. To be called by its main thread."""
        for number in SIGNALS:
            signal.signal(number, self._handle)
        signal.signal(_BREAK_OFF, self._handle_break_off)
        self._taken = True
        read, write = os.pipe()
        os.set_blocking(write, False)
        # Written to at once, even while the main thread is busy outside of Python.
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(read,), daemon=True).start()

    def follow(self, descriptor: int) -> None:
        """Asks this process to stop when another says why, or is gone. Returns only then.

        Args:
            descriptor: the end of a pipe to read, whose other end is that process's alone.
        """
        self._reason = os.read(descriptor, 4096).decode(errors="replace").strip()
        _signal_main_thread()

    def breakable(self, call: Callable[[], T]) -> T:
        """Calls what may be broken off anywhere.

        Raises:
            InterruptedRunError: this process was asked to stop.
            StoppedRunError: it was, for a reason.
            BrokenOffError: something else failed meanwhile.
        """
        try:
            try:
                self._breakable = True
                if self._asked or self._broken_off:
                    raise Interruption
                return call()
            finally:
                self._breakable = False
        except BaseException as error:
            # Once more, in case it came just then.
            self._breakable = False
            if self._asked or self._broken_off:
                # Whatever it is: some libraries make another exception of it.
                raise self._error() from error
            raise

    def break_off(self) -> None:
        """Has the main thread leave what may be broken off, now and until `go_on`.

        Not raised again where it is swallowed: then that goes on to its end.
        """
        self._broken_off = True
        if self._taken:
            signal.pthread_kill(threading.main_thread().ident or 0, _BREAK_OFF)

    def go_on(self) -> None:
        """Takes `break_off` back."""
        self._broken_off = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Has an interrupt wait for the end of the block, within what may be broken off."""
        before, self._breakable = self._breakable, False
        try:
            yield
        finally:
            self._breakable = before
        if before and (self._asked or self._broken_off):
            raise Interruption

    def check(self) -> None:
        """Raises what `breakable` does, if this process was asked to stop."""
        if self._asked:
            raise self._error()

    def _error(self) -> Exception:
        if not self._asked:
            return BrokenOffError()
        return StoppedRunError(self._reason) if self._reason else InterruptedRunError()

    def _handle(self, number: int, frame: object) -> None:
        self._asked = True
        now = time.monotonic()
        # Not at once again, as where two signals come together: one leaves, and may clean up.
        if self._breakable and now - self._raised > self._repeat_s / 2:
            self._raised = now
            raise Interruption

    def _handle_break_off(self, number: int, frame: object) -> None:
        if self._breakable:
            raise Interruption

    def _watch(self, read: int) -> None:
        while not SIGNALS.intersection(os.read(read, 64)):
            pass
        deadline = time.monotonic() + self._grace_s
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(self._repeat_s, left))
            _signal_main_thread()
        _die()


def _signal_main_thread() -> None:
    # That one and no other: a signal must end its waiting, too.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _die() -> NoReturn:
    """Ends this process, and its group if it leads one; what it was at is told on stderr."""
    faulthandler.dump_traceback(all_threads=True)
    os.kill(0 if os.getpgrp() == os.getpid() else os.getpid(), signal.SIGKILL)
    raise AssertionError("a process has survived SIGKILL")
