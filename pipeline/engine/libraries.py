"""What a worker imports, which takes seconds: TensorFlow and TFX."""

import gc
import sys


class Libraries:
    """The libraries of a worker.

    Attributes:
        unused: whether they are loaded, and none of what is for them to compute has been. Then
            this process can be forked: the threads in which TensorFlow computes do not come along,
            and a process without them waits for them for ever.
    """

    def __init__(self) -> None:
        """Loads nothing."""
        self._loaded = False
        self.unused = False

    def load(self) -> None:
        """Imports them, once.

        All that they make meanwhile is to stay: without looking for garbage in it, as Python would
        over and over, it takes a fifth less, and nothing is looked for in it later.
        """
        if self._loaded:
            return
        # Whoever had it before had a use for it, as where records are looked at that someone made.
        self.unused = "tensorflow" not in sys.modules
        gc.disable()
        try:
            from pipeline import graph  # noqa: F401
            from pipeline.engine import cache, dag_runner  # noqa: F401
            from pipeline.engine.beam import stages  # noqa: F401
            from pipeline.runs import outcome, pages  # noqa: F401
        finally:
            gc.freeze()
            gc.enable()
        self._loaded = True
