"""Loads a SavedModel as a stranger would, calls it, and measures: run as a program.

`python -I -S DIRECTORY` knows neither the working directory nor what site-packages adds to the
path by itself, such as an editable installation of this project; it is told where the
packages are, and which of them must not be importable. It imports nothing of this project.

It reads two JSON objects from standard input, a line that says what it may import, and then what to
check. It writes lines of JSON to standard output: what it is about to do, so that a crash has a
place, and at last its report.
"""
