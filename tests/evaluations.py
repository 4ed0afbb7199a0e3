"""Evaluations to build results from, where a test does not care for the figures."""

from components.evaluation.figures import ClassMetrics, Evaluation, Metrics, Miss, OverallMetrics
from trainer_module import features

_FIGURES = {
    "examples": 10_000,
    "accuracy": 0.9,
    "loss": 0.25,
    "top_2_accuracy": 0.97,
    "calibration_error": 0.02,
}

LOW_RECALL = Miss(metric="recall", slice="Shirt", kind="floor", value=0.7, bound=0.75, by=0.05)
LOW_ACCURACY = Miss(
    metric="accuracy", slice="overall", kind="drop", value=0.03, bound=0.01, by=0.02
)


def slice_metrics(**fields: object) -> Metrics:
    return Metrics(**{**_FIGURES, **fields})


def overall_metrics(**fields: object) -> OverallMetrics:
    macro = {"macro_precision": 0.9, "macro_recall": 0.9, "macro_f1": 0.9, "macro_auc": 0.99}
    return OverallMetrics(**{**_FIGURES, **macro, **fields})


def class_metrics(**fields: object) -> ClassMetrics:
    own = {"examples": 1000, "precision": 0.8, "f1": 0.85, "auc": 0.98, "most_confused_with": None}
    return ClassMetrics(**{**_FIGURES, **own, **fields})


def evaluation(*misses: Miss, **fields: object) -> Evaluation:
    """One that is blessed if it has no misses, with the class Shirt alone."""
    return Evaluation(
        **{
            "overall": overall_metrics(),
            "classes": {"Shirt": class_metrics()},
            "confusion": [[0] * features.NUM_CLASSES] * features.NUM_CLASSES,
            "blessed": not misses,
            "misses": misses,
            **fields,
        }
    )


FIRST_FORMAT = {
    "dataset": "fashion_mnist",
    "metrics": {
        "overall": {"examples": 10_000, "accuracy": 0.9, "loss": None},
        "classes": {
            "Shirt": {
                "examples": 1000,
                "accuracy": 0.7,
                "loss": 0.6,
                "precision": None,
                "f1": None,
                "most_confused_with": "Coat",
            }
        },
    },
    "blessed": False,
    "reasons": ["accuracy overall is 0.9000 and should be at least 0.9500"],
}
"""The `result.json` of the first version of this project, without its `run_id`."""
