"""Keras's own settings: training counts on its defaults, whatever the machine has.

Keras reads them from `keras.json` in `KERAS_HOME` or `~/.keras` once, as it is imported, and
writes one there if there is none; the backend it then can no longer change. So a process that is
to train gets an environment that leads to the defaults, and where training begins, what the
process has is set right. Free of Keras until then.
"""

import os
from collections.abc import Mapping

BACKEND = "tensorflow"

ENVIRONMENT = {
    # Below it nothing can be read or written.
    "KERAS_HOME": os.devnull,
    "KERAS_BACKEND": BACKEND,
}
"""With it Keras has its defaults, and leaves the home directory alone."""


def isolate(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment in which Keras is imported with its defaults.

    Args:
        environment: of this process, say; all that is not about Keras stays.
    """
    kept = {
        name: value
        for name, value in environment.items()
        # By the latter, Transform decides itself.
        if not name.startswith("KERAS_") and name != "TF_USE_LEGACY_KERAS"
    }
    return {**kept, **ENVIRONMENT}


def pin() -> None:
    """Gives this process Keras's defaults, where it has others.

    Raises:
        RuntimeError: Keras runs on another backend, which only a new process can change.
    """
    import keras

    if keras.config.backend() != BACKEND:
        raise RuntimeError(
            f"Keras runs on {keras.config.backend()} here, and the model needs {BACKEND}: set "
            f"KERAS_BACKEND={BACKEND} where this process is started"
        )
    keras.config.set_floatx("float32")
    # A policy of mixed precision outlives the above.
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
