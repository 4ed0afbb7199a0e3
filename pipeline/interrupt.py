"""Ctrl-C while a command is still being loaded. Imports next to nothing."""

import os
import signal
import sys

from pipeline.errors import ExitCode


def leave_at_once() -> None:
    """Lets Ctrl-C end the process with a sentence, until `raise_again`.

    To be called before the modules of a command are imported, which takes a third of a second.
    """
    # Not where it is ignored, as in the background of a script.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_again() -> None:
    """Lets Ctrl-C raise `KeyboardInterrupt`, as Python does from its start."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: object) -> None:
    print("Interrupted before anything started.", file=sys.stderr, flush=True)
    # Not by an exception, which a module that is being imported might take for its own.
    os._exit(ExitCode.INTERRUPTED)
