"""Keeps off the screen what TensorFlow, and what comes with it, says as it starts; free of both.

It takes from the environment how much it logs. But before it has read that, newer versions log
everything, while they are imported: only another file in the place of standard error keeps that
away. A process of which a log is kept, as the worker's, needs none of this.
"""

import importlib.abc
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

_STDERR = 2

_TENSORFLOW = "tensorflow"

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3"}
"""With it, TensorFlow logs no more than what it ends the process for, once it is imported."""


def silence_tensorflow() -> None:
    """Has this process import TensorFlow in silence, whoever is the first to do so.

    Where the import fails, standard error gets what was said. Only what ends the process at once,
    as an instruction that the processor lacks, takes its last words with it. What another thread
    writes to standard error during the import is kept away as well.
    """
    # Google's packages warn of each Python that they will no longer support.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
    known = any(isinstance(finder, _Finder) for finder in sys.meta_path)
    if not known and _TENSORFLOW not in sys.modules:
        sys.meta_path.insert(0, _Finder())


@contextmanager
def kept_quiet() -> Iterator[None]:
    """Keeps to themselves what TensorFlow and its libraries log of their future and of plots."""
    # Also where no command does, as in a notebook.
    silence_tensorflow()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow where the others do, and has it run with standard error aside."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _TENSORFLOW:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                for name, value in ENVIRONMENT.items():
                    os.environ.setdefault(name, value)
                with _stderr_aside():
                    execute(module)

            # On the loader that was found, which also has what resources are read by.
            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def _stderr_aside() -> Iterator[None]:
    """Keeps what is written to standard error within the block, and hands it on if that fails."""
    try:
        screen = os.dup(_STDERR)
    except OSError:
        # It is closed: nobody could read it anyway.
        yield
        return
    # In memory: the disk may be full.
    with (
        os.fdopen(os.memfd_create("stderr"), "w+b") as kept,
        os.fdopen(screen, "wb", buffering=0) as said,
    ):
        _flush()
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        except Exception:
            _flush()
            kept.seek(0)
            # Nobody may be left to read it.
            with suppress(OSError):
                said.write(kept.read())
            raise
        finally:
            _flush()
            os.dup2(screen, _STDERR)


def _flush() -> None:
    # It may be None, closed, or a notebook's.
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
