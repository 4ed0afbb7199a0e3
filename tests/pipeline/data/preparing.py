"""Preparing data as a run does, for the tests of each kind of data."""

from pipeline import config


def prepare(source, parent, **settings):
    return source.prepare(config.Dataset(**settings), parent)


def sizes(prepared):
    return {split: sum(counts.values()) for split, counts in prepared.examples.items()}
