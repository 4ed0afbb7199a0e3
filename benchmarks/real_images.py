"""The real images, for the benchmarks that change them."""

import sys

from pipeline import config
from pipeline.data import sources
from pipeline.data.preparation import ImageSource
from pipeline.data.splitting import Splits
from trainer_module import features


def read_splits(max_examples: int | None = None) -> Splits:
    """Reads the splits of the dataset itself; ends the program where there are others.

    Args:
        max_examples: of each split, stratified; None for all.
    """
    settings = config.Dataset(name=features.DATASET.name, max_examples=max_examples)
    source = sources.find(settings, lambda *_: None)
    if not isinstance(source, ImageSource):
        sys.exit(f"This wants {features.DATASET.title} itself, and not {source.origin}.")
    return source.read(settings)
