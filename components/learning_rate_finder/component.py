"""Finds the learning rate and hands it to the Trainer as a hyperparameter.

TFX's Tuner would need a tuner of ours as well, and has no place for the curve.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow_transform as tft

from components.learning_rate_finder.files import (
    CURVE_FILE,
    HYPERPARAMETERS_FILE,
    PLOT_FILE,
    TENSORBOARD_DIRECTORY,
)
from trainer_module import (
    buffers,
    keras_settings,
    learning_rate_finder,
    loading,
    model,
    plots,
    training,
)
from trainer_module.devices import find_devices
from trainer_module.learning_rate import LEARNING_RATE
from trainer_module.tfx_internals import (
    InputArtifact,
    OutputArtifact,
    Parameter,
    component,
    io_utils,
    standard_artifacts,
)


@component
def LearningRateFinder(  # noqa: N802
    examples: InputArtifact[list[standard_artifacts.Examples]],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    best_hyperparameters: OutputArtifact[standard_artifacts.HyperParameters],
    tuner_results: OutputArtifact[standard_artifacts.TunerResults],
    config: Parameter[str],
) -> None:
    """Runs a range test on the train split and picks the rate.

    Args:
        examples: the raw examples, an artifact for each span.
        transform_graph: what Transform exported.
        best_hyperparameters: gets `learning_rate`, as the Trainer takes it.
        tuner_results: gets the curve as data, as a picture and for TensorBoard.
        config: a JSON object: the groups `model`, `augmentation` and `finder`; `batch_size`,
            `seed`, `weight_decay`, `label_smoothing`, `memory_mb` and `precision` of the training.
    """
    settings = json.loads(config)
    results = Path(tuner_results.uri)
    results.mkdir(parents=True, exist_ok=True)
    records = loading.Records.from_artifacts(
        examples, "train", tft.TFTransformOutput(transform_graph.uri)
    )
    with tempfile.TemporaryDirectory(dir=results) as scratch:
        curve = _test(settings, records, Path(scratch))
    buffers.release()
    finding = learning_rate_finder.read_curve(curve, rule=settings["finder"]["rule"])
    (results / CURVE_FILE).write_text(learning_rate_finder.to_json(curve, finding))
    plots.plot_range_test(curve, finding, results / PLOT_FILE)
    learning_rate_finder.write_tensorboard(curve, results / TENSORBOARD_DIRECTORY)
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.Fixed(LEARNING_RATE, finding.learning_rate)
    io_utils.write_string_file(
        str(Path(best_hyperparameters.uri, HYPERPARAMETERS_FILE)),
        json.dumps(hyperparameters.get_config()),
    )


def _test(
    settings: dict[str, Any], records: loading.Records, scratch: Path
) -> learning_rate_finder.Curve:
    keras_settings.pin()
    keras.utils.set_random_seed(settings["seed"])
    # The Trainer, which comes next, reads the same.
    [split] = loading.load_splits([records], settings["memory_mb"], scratch, keep=True)
    return measure_curve(settings, split)


def measure_curve(settings: dict[str, Any], split: loading.Split) -> learning_rate_finder.Curve:
    """Runs a range test on a split that is loaded.

    Args:
        settings: as the component's `config` has them.
        split: what is learnt from.
    """
    finder, batch_size = settings["finder"], settings["batch_size"]
    epoch = loading.steps_per_epoch(split, batch_size)
    if finder["form"] == "epochs":
        points, steps_per_point = finder["points"], epoch
    else:
        points, steps_per_point = min(finder["points"], epoch), 1
    devices = find_devices(settings["precision"])
    network = devices.prepare(model.build_model(**settings["model"]))
    training.compile_network(
        network,
        finder["lowest"],
        weight_decay=settings["weight_decay"],
        label_smoothing=settings["label_smoothing"],
    )
    return learning_rate_finder.range_test(
        network,
        loading.training_batches(
            split,
            batch_size,
            seed=settings["seed"],
            epochs=-(-points * steps_per_point // epoch),
            augment=training.make_augment(settings["augmentation"]),
        ),
        lowest=finder["lowest"],
        highest=finder["highest"],
        points=points,
        steps_per_point=steps_per_point,
        smoothing=finder["smoothing"],
    )
