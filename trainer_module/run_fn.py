"""The Trainer's `run_fn`: train TinyVGG, write its history, export it with warm-up requests."""

import json
from pathlib import Path
from typing import Any

import keras
import tensorflow_transform as tft
from tfx.v1.components import FnArgs

from trainer_module import input as input_
from trainer_module import learning_rate, model, progress, signatures, warmup

HISTORY_FILE = "history.json"
"""In the model run's directory: a list of values an epoch under each metric's name."""

TENSORBOARD_DIRECTORY = "tensorboard"
"""In the model run's directory: the logs for TensorBoard."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the train split, validates on eval, exports the model of the last epoch.

    Args:
        fn_args: what the Trainer passes. `custom_config` holds the groups `model`,
            `training` and `learning_rate`: the arguments of `build_model`, `train` and
            `build_schedule`.
    """
    config = fn_args.custom_config
    keras.utils.set_random_seed(config["training"]["seed"])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    train_split, eval_split = (
        input_.load_split(files, fn_args.data_accessor, transform_output)
        for files in (fn_args.train_files, fn_args.eval_files)
    )
    network = model.build_model(**config["model"])
    run_directory = Path(fn_args.model_run_dir)
    history = train(
        network,
        train_split,
        eval_split,
        learning_rate_config=config["learning_rate"],
        run_directory=run_directory,
        **config["training"],
    )
    (run_directory / HISTORY_FILE).write_text(json.dumps(history, indent=1))
    signatures.export(network, transform_output, fn_args.serving_model_dir)
    examples = warmup.read_examples(fn_args.eval_files)
    warmup.write_warmup(Path(fn_args.serving_model_dir), examples)


def train(
    network: keras.Model,
    train_split: input_.Split,
    eval_split: input_.Split,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    learning_rate_config: dict[str, Any],
    run_directory: Path,
) -> dict[str, list[float]]:
    """Compiles and fits the network, with Adam on the sparse categorical cross-entropy.

    Args:
        network: an uncompiled model, trained in place.
        train_split: what it learns from.
        eval_split: what it is validated on after each epoch.
        epochs: passes over the train split.
        batch_size: examples in an optimizer step.
        seed: of the order of the examples.
        learning_rate_config: the arguments of `build_schedule`, but for the lengths.
        run_directory: where TensorBoard's logs go.

    Returns:
        The history: under `loss`, `accuracy`, `val_loss`, `val_accuracy` and
        `learning_rate`, a value an epoch.
    """
    batches = input_.to_batches(train_split, batch_size, shuffle_seed=seed)
    steps_per_epoch = len(batches)
    network.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate.build_schedule(
                epochs=epochs, steps_per_epoch=steps_per_epoch, **learning_rate_config
            )
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        # XLA makes an epoch of these small convolutions four times slower on a CPU.
        jit_compile=False,
    )
    history = network.fit(
        batches,
        validation_data=input_.to_batches(eval_split, batch_size),
        epochs=epochs,
        verbose=0,
        callbacks=[
            learning_rate.LearningRateLogger(),
            keras.callbacks.TensorBoard(run_directory / TENSORBOARD_DIRECTORY),
            progress.ProgressLogger(steps_per_epoch),
        ],
    )
    return history.history
