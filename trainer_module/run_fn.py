"""The Trainer's `run_fn`: train TinyVGG, write its history and curves, export it."""

import hashlib
import importlib.metadata
import json
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow_transform as tft

from trainer_module import (
    buffers,
    keras_settings,
    loading,
    model,
    plots,
    provenance,
    signatures,
    training,
    warmup,
)
from trainer_module.code_version import find_code_version
from trainer_module.devices import find_devices
from trainer_module.learning_rate import LEARNING_RATE
from trainer_module.model_run import (
    CURVES_FILE,
    HISTORY_FILE,
    SUMMARY_FILE,
    TENSORBOARD_DIRECTORY,
)
from trainer_module.provenance import Provenance
from trainer_module.tfx_internals import FnArgs

_LIBRARIES = ("tensorflow", "keras", "tensorflow-transform", "tfx")


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the train split, validates on eval, exports the model.

    Args:
        fn_args: what the Trainer passes. `custom_config` holds the groups `model`,
            `training`, `augmentation` and `learning_rate`; `flip_averaging`, whether what is
            exported averages over mirrored images; `memory_mb` and `precision`; and
            `checkpoints`: the directory in which a training that is broken off leaves its
            state. The name of the `dataset` and the `source`, the fingerprint of the code, are
            told of the model. `hyperparameters`, where given, has the peak of the learning rate.
    """
    config = fn_args.custom_config
    # Before the training: by its end, the files may be those of another commit.
    commit = _find_commit()
    keras_settings.pin()
    keras.utils.set_random_seed(config["training"]["seed"])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    learning_rate_config = _learning_rate_config(config, fn_args.hyperparameters)
    devices = find_devices(config["precision"])
    with devices.scope():
        trained_network = devices.prepare(model.build_model(**config["model"]))
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
        with devices.scope():
            trained = training.train(
                trained_network,
                train_split,
                eval_split,
                training.TrainingSettings.of({**config, "learning_rate": learning_rate_config}),
                checkpoint_directory=checkpoint_directory,
                tensorboard_directory=run_directory / TENSORBOARD_DIRECTORY,
                jit_compile=devices.jit_compile,
                most_steps_per_execution=devices.most_steps_per_execution,
            )
        # What is served runs on any device, in float32.
        network = model.build_model(**config["model"])
        network.set_weights(trained_network.get_weights())
        if config["flip_averaging"]:
            network = model.average_flips(network)
        eval_loss, eval_accuracy = training.measure(network, eval_split)
    # Nothing from here on reads the images, and the nodes behind this one need memory too.
    del eval_split, train_split
    buffers.release()
    summary = {
        "parameters": network.count_params(),
        "learning_rate": learning_rate_config["peak"],
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "exported_epoch": trained.exported_epoch,
        "eval_accuracy": eval_accuracy,
        "eval_loss": eval_loss,
        "device": str(devices),
    }
    (run_directory / SUMMARY_FILE).write_text(json.dumps(summary))
    (run_directory / HISTORY_FILE).write_text(json.dumps(trained.history, indent=1))
    plots.plot_history(trained.history, trained.exported_epoch, run_directory / CURVES_FILE)
    signatures.export(network, transform_output, fn_args.serving_model_dir)
    examples = warmup.read_examples(fn_args.eval_files)
    warmup.write_warmup(Path(fn_args.serving_model_dir), examples)
    made_by = _provenance(fn_args, learning_rate_config, commit)
    provenance.write(made_by, Path(fn_args.serving_model_dir))
    # Not before: until here a kill costs no epoch.
    shutil.rmtree(checkpoint_directory)


def _learning_rate_config(
    config: dict[str, Any], hyperparameters: dict[str, Any] | None
) -> dict[str, Any]:
    if not hyperparameters:
        return config["learning_rate"]
    found = keras_tuner.HyperParameters.from_config(hyperparameters).get(LEARNING_RATE)
    return {**config["learning_rate"], "peak": found}


def _find_commit() -> str:
    version = find_code_version()
    if version is None:
        return ""
    # As `git describe --dirty` says it.
    return version.commit if version.clean else f"{version.commit}-dirty"


def _provenance(fn_args: FnArgs, learning_rate_config: dict[str, Any], commit: str) -> Provenance:
    config = fn_args.custom_config
    rate_source = "finder" if fn_args.hyperparameters else "fixed"
    return Provenance(
        settings={
            "model": config["model"],
            "augmentation": config["augmentation"],
            "training": {
                **config["training"],
                **{key: config[key] for key in ("flip_averaging", "memory_mb", "precision")},
            },
            "learning_rate": {"source": rate_source, **learning_rate_config},
        },
        dataset=config["dataset"],
        source=config["source"],
        commit=commit,
        versions={
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
    )


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
