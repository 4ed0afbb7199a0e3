import dataclasses

import pytest

from pipeline import config, graph
from pipeline.data import preparation
from pipeline.data.kinds import Sample
from pipeline.engine.beam.arguments import make_arguments
from pipeline.fingerprint import fingerprints, installed_versions
from pipeline.workspace import Workspace


@pytest.fixture
def place(tmp_path):
    return Workspace("loom", tmp_path / "root", tmp_path / "serving")


@pytest.fixture
def data(tmp_path):
    return preparation.Prepared(
        source=Sample(),
        directory=tmp_path / "records",
        pattern="span-{SPAN}/version-{VERSION}/{SPLIT}-*",
        examples={"train": {"Bag": 55_000}, "eval": {"Bag": 5000}, "test": {"Bag": 10_000}},
        span=7,
    )


@pytest.fixture
def build(place, data):
    """Builds the pipeline, with a workspace of its own or another: `build(settings, place)`.

    It has all nodes, as where spans came before, unless it is told that there are no spans.
    """

    def build(settings=None, place=place, source=None, spans=True):
        known = source or fingerprints(installed_versions())
        asked = settings or config.Config()
        if spans:
            windowed = asked.dataset.model_copy(update={"window": 3})
            asked = asked.model_copy(update={"dataset": windowed})
        taken = data if spans else dataclasses.replace(data, span=None)
        return graph.create_pipeline(
            asked,
            taken,
            place,
            known,
            make_arguments(asked),
            before=preparation.Before(spans, spans),
        )

    return build
