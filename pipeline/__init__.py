"""The application: the commands, and below them a room each for screen, engine, runs and data.

Configuration, graph and what else all of them stand on lie beside the commands. Who may import
whom is held by `tests/test_imports.py`.
"""

__version__ = "0.2.0"
"""Of the package; `setup.py` and `--version` take it from here."""
