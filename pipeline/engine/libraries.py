"""What a worker imports, which takes seconds: TensorFlow and TFX."""

import gc


def load_libraries() -> None:
    """Imports them.

    All that they make meanwhile is to stay: without looking for garbage in it, as Python would over
    and over, it takes a fifth less, and nothing is looked for in it later.
    """
    gc.disable()
    try:
        from pipeline import graph  # noqa: F401
        from pipeline.engine import cache, dag_runner  # noqa: F401
        from pipeline.engine.beam import stages  # noqa: F401
        from pipeline.runs import outcome, pages  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


def is_tensorflow_unused() -> bool:
    """Whether TensorFlow has computed nothing so far in this process.

    Then it can be forked. The threads in which TensorFlow computes do not come along, and a process
    without them waits for them for ever.
    """
    import tensorflow as tf

    try:
        # Which it takes only before, whatever it was. The last is the default.
        for count in (1, 0):
            tf.config.threading.set_intra_op_parallelism_threads(count)
    except RuntimeError:
        return False
    return True
