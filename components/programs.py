"""Running a module of this project in a process of its own, wherever that is started."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
"""Where the packages lie: the checkout, or site-packages."""

_PROGRAM = """\
import sys
sys.path[0:1] = [] if {root!r} in sys.path[1:] else [{root!r}]
import runpy
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


def module_program(module: str) -> list[str]:
    """Returns the program that runs a module, to which its arguments can be added.

    `python -m` would first look in the working directory, where a person may have a `schema.py` or
    a `random.py` of their own.

    Args:
        module: its dotted name.
    """
    return [sys.executable, "-c", _PROGRAM.format(root=str(_ROOT), module=module)]
