"""A node beside the others: its executor in a process of its own, its books in this one.

Threads would not do, as most of what executors do here is Python. And a process that is started
takes as long to import TFX as such a node takes; one that is forked has it. Only before anything
was computed, though: what libraries do in threads of their own does not come along.
"""

import faulthandler
import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Collection
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, TypeVar

from pipeline import config, nodes
from pipeline.causes import describe_cause
from pipeline.engine.beam.arguments import leaves_process
from pipeline.engine.interrupts import SIGNALS, BrokenOffError, InterruptedRunError, Interrupts
from pipeline.errors import LostProcessError, UserError

T = TypeVar("T")

_LOG = 2
"""The descriptor of standard error, wherever Python's own has gone."""


def choose_nodes(settings: config.Config) -> frozenset[str]:
    """Names the nodes that run beside others, where the settings and this machine allow it."""
    elsewhere = leaves_process(settings) or settings.engine.workers > 1
    is_wanted = settings.run.side_by_side and not elsewhere
    return nodes.BESIDE if is_wanted and len(os.sched_getaffinity(0)) > 1 else frozenset()


class NodeFailedError(Exception):
    """A node failed; the cause, where there is one, is its `__cause__`."""

    def __init__(self, node: str) -> None:
        """Takes the node's name."""
        super().__init__(node)
        self.node = node


class Forked:
    """A process that is this one as it was when it was forked, and makes calls for it.

    It does not outlive this one.
    """

    def __init__(self) -> None:
        """Forks."""
        context = multiprocessing.get_context("fork")
        self._ended = False
        self._ending = threading.Lock()
        self._call: futures.Future | None = None
        self._pool = futures.ProcessPoolExecutor(1, mp_context=context, initializer=_begin)
        with warnings.catch_warnings():
            # Those that wait for the command hold nothing that the fork could miss.
            warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
            self._process_id = self._pool.submit(os.getpid).result()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Has it call a function of a module; all that goes there and back is pickled.

        Raises:
            InterruptedRunError: it was ended.
            LostProcessError: it died.
            Exception: what the function raised.
        """
        try:
            with self._ending:
                if self._ended:
                    raise InterruptedRunError
                self._call = self._pool.submit(_call, function, *arguments)
            return self._call.result()
        except BrokenProcessPool as error:
            if self._ended:
                raise InterruptedRunError from error
            raise LostProcessError(
                "its process ended before it had done its work, perhaps for want of memory; see "
                "in the log whether it said why"
            ) from error

    def end(self) -> None:
        """Ends it, whatever it is at, which is told in the log; it has ended when this returns."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            if self._call and not self._call.done():
                # It may have died just now.
                with suppress(ProcessLookupError):
                    os.kill(self._process_id, signal.SIGTERM)
            self._pool.shutdown()


def _begin() -> None:
    # Those of the process from which this was forked, which would take a signal for its own.
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    faulthandler.register(signal.SIGTERM, file=_LOG, all_threads=True, chain=True)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """Ends this process with the one from which it was forked."""
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _call(function: Callable[..., T], *arguments: object) -> T:
    try:
        return function(*arguments)
    except BaseException as error:
        if _comes_through(error):
            raise
        raise UserError(describe_cause(error)) from error


def _comes_through(error: BaseException) -> bool:
    with suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return True
    return False


class SideLane:
    """Runs nodes in a thread beside the main one, one at a time, their executors by `Forked`."""

    def __init__(self, names: Collection[str], interrupts: Interrupts) -> None:
        """Forks, if there are nodes to run beside.

        Args:
            names: the nodes.
            interrupts: breaks off what the main thread is at, when one of these has failed.
        """
        self._left = set(names)
        self._interrupts = interrupts
        self._forked = Forked() if names else None
        self._name: str | None = None
        # Not by joining a thread, which Python 3.10 takes for ended once that was interrupted.
        self._idle = threading.Event()
        self._idle.set()
        self._failure: NodeFailedError | None = None

    def takes(self, name: str) -> bool:
        """Whether a node can be started here now."""
        return name in self._left and self._idle.is_set()

    def start(self, name: str, run: Callable[[Forked], None]) -> None:
        """Starts a node.

        Args:
            name: the node's.
            run: runs all of it, and raises NodeFailedError; called in another thread.
        """
        self._left.discard(name)
        self._name = name
        self._idle.clear()
        threading.Thread(target=self._run, args=(run,), name=name, daemon=True).start()

    def _run(self, run: Callable[[Any], None]) -> None:
        try:
            run(self._forked)
        except NodeFailedError as error:
            self._failure = error
            self._interrupts.break_off()
        finally:
            if not self._left:
                self._end_process()
            self._idle.set()

    def wait_for(self, names: Collection[str]) -> None:
        """Waits for the end of the node that runs here, if it is one of these.

        Raises:
            NodeFailedError: it failed, or another did before.
            InterruptedRunError: this process was asked to stop.
        """
        if self._name in names:
            # Broken off by that very node, the wait is over.
            with suppress(BrokenOffError):
                self._interrupts.breakable(self._idle.wait)
        self.check()

    def check(self) -> None:
        """Raises NodeFailedError if a node failed here."""
        if self._failure:
            raise self._failure

    def end(self) -> None:
        """Ends what still runs here, and waits until that is in the books."""
        self._end_process()
        self._idle.wait()
        self._interrupts.go_on()

    def _end_process(self) -> None:
        if self._forked:
            self._forked.end()
