"""How much the fuzz tests try: the same few examples in each run, or many new ones.

`make fuzz` sets `FUZZ_EXAMPLES`. Nothing of Hypothesis stays in the checkout.
"""

import atexit
import os
import tempfile

from hypothesis import HealthCheck, configuration, settings

_EXAMPLES = os.environ.get("FUZZ_EXAMPLES")

_home = tempfile.TemporaryDirectory(prefix="hypothesis-")
atexit.register(_home.cleanup)
configuration.set_hypothesis_home_dir(_home.name)

settings.register_profile(
    "fuzz",
    max_examples=int(_EXAMPLES or 500),
    # Else a change that is none of its causes could fail a test.
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    # A directory may serve for all examples, as each overwrites what it reads.
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz")
