"""A page with everything on it, made without TensorFlow."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from components.data_gate.anomalies import Distance
from components.data_gate.findings import Finding, Picture
from components.evaluation.figures import Figures
from components.evaluation.mistakes import Mistake
from components.evaluation.slicing import PARTS
from components.image_statistics.description import Description, Measured
from components.image_statistics.distances import JENSEN_SHANNON, L_INFINITY
from components.report.contents import (
    Artifact,
    FeatureStatistics,
    Page,
    RangeTest,
    RunFacts,
    TrainingHistory,
)
from components.verdict import Verdict
from tests.evaluations import (
    LOW_RECALL,
    class_metrics,
    evaluation,
    overall_metrics,
    slice_metrics,
)
from trainer_module import features
from trainer_module.provenance import Provenance


def make_figures(recall: float) -> dict:
    """Figures of all classes, of which a tenth each is taken for the next one."""
    classes = {name: class_metrics(accuracy=recall) for name in features.CLASS_NAMES}
    confusion = 900 * np.eye(10, dtype=int) + 100 * np.roll(np.eye(10, dtype=int), 1, axis=1)
    return {
        "overall": overall_metrics(accuracy=recall, intervals={"accuracy": (0.85, 0.95)}),
        "classes": classes,
        "confusion": confusion.tolist(),
        "slices": {by: dict.fromkeys(names, slice_metrics()) for by, names in PARTS.items()},
    }


@pytest.fixture
def figures():
    return make_figures


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(file, "PNG")
    return file.getvalue()


def describe_split(examples: int, mean: float) -> Description:
    """A split whose classes are even, but for Bag, of which there is one more image."""
    measured = Measured(mean, (0.0, 0.25, 1.0), (examples - 1, 1))
    classes = dict.fromkeys(features.CLASS_NAMES, examples // features.NUM_CLASSES)
    classes["Bag"] += 1
    return Description(examples, classes, {"ink": measured, "brightness": measured})


@pytest.fixture
def page(png) -> Page:
    """A run that was refused because of Shirt."""
    history = {
        "loss": [0.9, 0.5, 0.4],
        "accuracy": [0.6, 0.8, 0.85],
        "val_loss": [0.8, 0.6, 0.5],
        "val_accuracy": [0.7, 0.78, 0.8],
        "learning_rate": [0.01, 0.005, 0.0001],
    }
    picture = Picture(base64.b64encode(png).decode(), "a Bag")
    judged = evaluation(
        LOW_RECALL, **make_figures(0.9), baseline=Figures(**make_figures(0.92)), notes=["a note"]
    )
    return Page(
        facts=RunFacts(
            run="r1",
            dataset="fashion_mnist-1",
            configuration={"training": {"seed": 9}, "evaluation": {"min_accuracy": 0.5}},
            flags="--root /somewhere",
        ),
        verdict=Verdict("refused", "a label", "Not blessed, and not pushed", judged.reasons),
        evaluation=judged,
        training=TrainingHistory(12_794, 0.01, 3, 3, 3, 0.8, 0.5, history),
        range_test=RangeTest(
            0.01, 0.001, 0.1, None, [1e-4, 1e-2, 1.0], [2.0, 1.0, None], [2.0, 1.5, None]
        ),
        mistakes=[Mistake(png, "Shirt", "Coat", 0.987, 0.012)],
        statistics=[FeatureStatistics("test", "label", "int", 10_000, 3, "0 to 9, mean 4.5")],
        images={
            "train": describe_split(5000, 0.31),
            "eval": describe_split(500, 0.32),
            "test": describe_split(1000, 0.33),
        },
        skew=[
            Distance("class", "eval", "train", L_INFINITY, 0.0125, 0.1),
            Distance("ink", "test", "train", JENSEN_SHANNON, 0.0625, 0.05),
        ],
        samples={"Bag": [png, png], "Dress": [png]},
        data_findings=[
            Finding("domain", "warn", "ink", "test", "is <b>out</b> of range", [picture])
        ],
        measures={"load_s": 0.35},
        artifacts={"model": Artifact(9, "Model", "/somewhere/model/9", {})},
        provenance=Provenance(
            settings={"training": {"seed": 7}, "learning_rate": {"peak": 0.0107}},
            dataset="fashion_mnist-0",
            source="0123abcd",
            commit="4567ef-dirty",
            versions={"python": "3.10.12"},
        ),
        libraries={"python": "3.10.13", "vl-convert-python": "1.9"},
    )
