"""The Trainer's `run_fn`: train TinyVGG, write its history and curves, export it."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow_transform as tft
from tfx.v1.components import FnArgs

from trainer_module import (
    keras_settings,
    loading,
    model,
    plots,
    signatures,
    training,
    warmup,
)

HISTORY_FILE = "history.json"
"""In the model run's directory: a list of values an epoch under each metric's name."""

CURVES_FILE = "learning_curves.png"
"""In the model run's directory: the history as a picture."""

SUMMARY_FILE = "training.json"
"""In the model run's directory: a JSON object with `parameters`, the peak `learning_rate`,
`epochs`, the `best_epoch` and the `exported_epoch` of them, from 1, and the latter's
`eval_accuracy` and `eval_loss`."""

TENSORBOARD_DIRECTORY = "tensorboard"
"""In the model run's directory: the logs for TensorBoard."""

LEARNING_RATE = "learning_rate"
"""The hyperparameter that the Trainer takes, where it is given any: the peak of the rate."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the train split, validates on eval, exports the model.

    Args:
        fn_args: what the Trainer passes. `custom_config` holds the groups `model`,
            `training`, `augmentation` and `learning_rate`, `memory_mb`, and
            `checkpoints`: the directory in which a training that is broken off leaves its
            state. `hyperparameters`, where given, has the peak of the learning rate.
    """
    config = fn_args.custom_config
    keras_settings.pin()
    keras.utils.set_random_seed(config["training"]["seed"])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    learning_rate_config = _learning_rate_config(config, fn_args.hyperparameters)
    network = model.build_model(**config["model"])
    run_directory = Path(fn_args.model_run_dir)
    checkpoint_directory = _checkpoint_directory(fn_args)
    # Where the next attempt clears what this one leaves if it is killed.
    with tempfile.TemporaryDirectory(dir=checkpoint_directory.parent) as scratch:
        eval_split, train_split = loading.load_splits(
            [
                loading.Records(files, fn_args.data_accessor, transform_output)
                for files in (fn_args.eval_files, fn_args.train_files)
            ],
            config["memory_mb"],
            Path(scratch),
        )
        trained = training.train(
            network,
            train_split,
            eval_split,
            training.TrainingSettings.of({**config, "learning_rate": learning_rate_config}),
            checkpoint_directory=checkpoint_directory,
            tensorboard_directory=run_directory / TENSORBOARD_DIRECTORY,
        )
    summary = {
        "parameters": network.count_params(),
        "learning_rate": learning_rate_config["peak"],
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "exported_epoch": trained.exported_epoch,
        "eval_accuracy": trained.history["val_accuracy"][trained.exported_epoch - 1],
        "eval_loss": trained.history["val_loss"][trained.exported_epoch - 1],
    }
    (run_directory / SUMMARY_FILE).write_text(json.dumps(summary))
    (run_directory / HISTORY_FILE).write_text(json.dumps(trained.history, indent=1))
    plots.plot_history(trained.history, trained.exported_epoch, run_directory / CURVES_FILE)
    signatures.export(network, transform_output, fn_args.serving_model_dir)
    examples = warmup.read_examples(fn_args.eval_files)
    warmup.write_warmup(Path(fn_args.serving_model_dir), examples)
    # Not before: until here a kill costs no epoch.
    shutil.rmtree(checkpoint_directory)


def _learning_rate_config(
    config: dict[str, Any], hyperparameters: dict[str, Any] | None
) -> dict[str, Any]:
    if not hyperparameters:
        return config["learning_rate"]
    found = keras_tuner.HyperParameters.from_config(hyperparameters).get(LEARNING_RATE)
    return {**config["learning_rate"], "peak": found}


def _checkpoint_directory(fn_args: FnArgs) -> Path:
    """Names a directory by all that the training depends on; drops those of other trainings.

    TFX gives each attempt new output directories: one that was broken off is only found
    again under a name that does not depend on the attempt.
    """
    parent = Path(fn_args.custom_config["checkpoints"])
    parent.mkdir(parents=True, exist_ok=True)
    key = json.dumps(
        [
            fn_args.custom_config,
            fn_args.hyperparameters,
            fn_args.transform_output,
            fn_args.train_files,
            fn_args.eval_files,
        ],
        sort_keys=True,
    )
    directory = parent / hashlib.sha256(key.encode()).hexdigest()[:16]
    for other in parent.glob("*"):
        if other != directory:
            shutil.rmtree(other)
    return directory
