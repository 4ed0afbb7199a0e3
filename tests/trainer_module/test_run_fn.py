import json
import logging
import shutil
import weakref
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.v1.components import FnArgs

from components.model_store.identity import model_identity
from trainer_module import (
    checkpoints,
    held,
    keras_settings,
    loading,
    progress_log,
    provenance,
    run_fn,
    warmup,
)
from trainer_module.code_version import CodeVersion
from trainer_module.devices import find_devices

EPOCHS = 3
KEYS = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
FOUND = 1e-3


@pytest.fixture(scope="module")
def make_arguments(
    split_files,
    data_accessor,
    transformed,
    model_config,
    augmentation_config,
    training_config,
    learning_rate_config,
):
    """Takes a directory and a rate's settings; returns the arguments that the Trainer passes."""

    def make_arguments(
        directory, rate=None, hyperparameters=None, attempt="1", *, flip_averaging=True
    ):
        run_directory = directory / f"run-{attempt}"
        run_directory.mkdir()
        return FnArgs(
            train_files=split_files("train"),
            eval_files=split_files("eval"),
            transform_output=transformed[0],
            data_accessor=data_accessor,
            serving_model_dir=str(directory / f"model-{attempt}" / "Format-Serving"),
            model_run_dir=str(run_directory),
            hyperparameters=hyperparameters,
            custom_config={
                "model": model_config,
                "augmentation": augmentation_config,
                "training": training_config,
                "learning_rate": {**learning_rate_config, **(rate or {})},
                "flip_averaging": flip_averaging,
                "memory_mb": 1000,
                "precision": "auto",
                "checkpoints": str(directory / "checkpoints"),
                "dataset": "drawn-1",
                "source": "0123456789abcdef",
            },
        )

    return make_arguments


@pytest.fixture(scope="module")
def run(make_arguments, tmp_path_factory):
    """A whole `run_fn`: its arguments, and what it logged of its progress."""
    arguments = make_arguments(tmp_path_factory.mktemp("trainer"))
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.progress)
    logger = logging.getLogger(progress_log.LOGGER_NAME)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        run_fn.run_fn(arguments)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return arguments, records


@pytest.fixture(scope="module")
def found_run(make_arguments, tmp_path_factory):
    """The arguments of a `run_fn` with a rate that was found, whose first epoch is its best."""
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.Fixed(run_fn.LEARNING_RATE, FOUND)
    arguments = make_arguments(
        tmp_path_factory.mktemp("found"),
        {"schedule": "exponential", "peak": 0.5, "decay_rate": 100.0},
        # The Trainer reads it from a file.
        json.loads(json.dumps(hyperparameters.get_config())),
        flip_averaging=False,
    )
    run_fn.run_fn(arguments)
    return arguments


def read(arguments, name):
    return json.loads(Path(arguments.model_run_dir, name).read_text())


def serve(arguments, raw_splits):
    """Loss and accuracy, on `eval`, of the exported model."""
    images, labels = raw_splits["eval"]
    exported = tf.saved_model.load(arguments.serving_model_dir)
    served = exported.signatures["predict_images"](images=tf.constant(images))
    of_labels = served["probabilities"].numpy()[np.arange(len(labels)), labels]
    return -np.log(of_labels).mean(), np.mean(served["label"].numpy() == labels)


def test_the_history_has_a_value_an_epoch_under_each_of_its_five_keys(run):
    history = read(run[0], run_fn.HISTORY_FILE)
    assert set(history) == KEYS
    assert {len(values) for values in history.values()} == {EPOCHS}


def test_the_summary_says_what_the_training_came_to(run):
    history, summary = (read(run[0], name) for name in (run_fn.HISTORY_FILE, run_fn.SUMMARY_FILE))
    best = int(np.argmin(history["val_loss"]))
    assert summary == {
        "parameters": 4430,
        "learning_rate": 0.01,
        "epochs": EPOCHS,
        "best_epoch": best + 1,
        "exported_epoch": best + 1,
        "eval_accuracy": summary["eval_accuracy"],
        "eval_loss": summary["eval_loss"],
        "device": str(find_devices("auto")),
    }


def test_what_the_summary_says_of_eval_is_what_is_exported(run, found_run, raw_splits):
    for arguments in (run[0], found_run):
        summary = read(arguments, run_fn.SUMMARY_FILE)
        loss, accuracy = serve(arguments, raw_splits)
        assert loss == pytest.approx(summary["eval_loss"], rel=1e-3)
        assert accuracy == pytest.approx(summary["eval_accuracy"], abs=1e-6)


def test_the_exported_model_tells_what_made_it(run, found_run):
    arguments = run[0]
    config = arguments.custom_config
    told = provenance.read(Path(arguments.serving_model_dir))
    assert told.settings == {
        "model": json.loads(json.dumps(config["model"])),
        "augmentation": config["augmentation"],
        "training": {
            **config["training"],
            "flip_averaging": True,
            "memory_mb": 1000,
            "precision": "auto",
        },
        "learning_rate": {**config["learning_rate"], "source": "fixed"},
    }
    assert told.seed == config["training"]["seed"]
    assert (told.dataset, told.source) == ("drawn-1", "0123456789abcdef")
    assert told.versions["tensorflow"] == tf.__version__
    assert told.versions["keras"] == keras.__version__
    assert {"python", "tensorflow-transform", "tfx"} <= told.versions.keys()


def test_the_exported_model_tells_the_rate_that_was_found_and_not_the_configured_peak(found_run):
    told = provenance.read(Path(found_run.serving_model_dir)).settings["learning_rate"]
    assert (told["source"], told["peak"]) == ("finder", FOUND)


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        (CodeVersion("a" * 40, clean=True), "a" * 40),
        (CodeVersion("a" * 40, clean=False), "a" * 40 + "-dirty"),
        (None, ""),
    ],
)
def test_commit_is_told_with_whether_it_was_changed(monkeypatch, version, commit):
    monkeypatch.setattr(run_fn, "find_code_version", lambda: version)
    assert run_fn._find_commit() == commit


def test_what_made_a_model_is_no_part_of_its_identity(run, tmp_path):
    model = shutil.copytree(run[0].serving_model_dir, tmp_path / "copy")
    before = model_identity(model)
    (model / provenance.PROVENANCE_FILE).unlink()
    assert model_identity(model) == before


def test_training_beats_guessing_on_the_eval_split(run):
    assert read(run[0], run_fn.SUMMARY_FILE)["eval_accuracy"] > 0.3


def test_the_curves_are_drawn(run):
    with Image.open(Path(run[0].model_run_dir, run_fn.CURVES_FILE)) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width > 400
        assert picture.height > 300


def test_tensorboard_gets_the_figures_of_both_splits_and_the_rate(run):
    directory = Path(run[0].model_run_dir, run_fn.TENSORBOARD_DIRECTORY)
    tags = {}
    for split in ("train", "validation"):
        [file] = (directory / split).glob("events.out.tfevents.*")
        tags[split] = {
            value.tag
            for event in tf.compat.v1.train.summary_iterator(str(file))
            for value in event.summary.value
        }
    assert {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"} <= tags["train"]
    assert {"epoch_loss", "epoch_accuracy"} <= tags["validation"]


def test_progress_is_logged_at_the_end_of_each_epoch_with_the_documented_keys(run):
    ends = [record for record in run[1] if "val_loss" in record]
    assert [(record["epoch"], record["epochs"]) for record in ends] == [(1, 3), (2, 3), (3, 3)]
    assert [(record["step"], record["steps"]) for record in ends] == [(10, 10)] * 3
    for record in ends:
        assert record["kind"] == "training"
        assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(record)


def test_progress_is_logged_within_an_epoch(run):
    first = run[1][0]
    assert first["epoch"] == 1
    assert 1 <= first["step"] <= first["steps"] == 10
    assert {"loss", "accuracy"} <= set(first)
    assert "val_loss" not in first


def test_the_exported_model_has_warm_up_requests(run):
    assert Path(run[0].serving_model_dir, warmup.WARMUP_FILE).stat().st_size > 0


@pytest.mark.parametrize("averaged", [True, False])
def test_mirrored_images_get_the_same_answer_where_flips_are_averaged(
    run, found_run, raw_splits, averaged
):
    exported = tf.saved_model.load((run[0] if averaged else found_run).serving_model_dir)
    answer, mirrored = (
        exported.signatures["predict_images"](images=tf.constant(images))["probabilities"].numpy()
        for images in (raw_splits["eval"][0], raw_splits["eval"][0][:, :, ::-1])
    )
    assert np.allclose(answer, mirrored, atol=1e-6) == averaged


def test_the_exported_model_is_that_of_the_best_epoch(found_run, raw_splits):
    history, summary = (
        read(found_run, name) for name in (run_fn.HISTORY_FILE, run_fn.SUMMARY_FILE)
    )
    assert (summary["best_epoch"], summary["exported_epoch"], summary["epochs"]) == (1, 1, EPOCHS)
    assert history["val_loss"][0] < history["val_loss"][-1]
    assert serve(found_run, raw_splits)[0] == pytest.approx(history["val_loss"][0], rel=1e-3)


def test_a_rate_that_was_found_replaces_the_configured_peak(found_run):
    assert read(found_run, run_fn.SUMMARY_FILE)["learning_rate"] == FOUND
    rates = read(found_run, run_fn.HISTORY_FILE)["learning_rate"]
    assert rates == pytest.approx([FOUND * 100, FOUND * 100**2, FOUND * 100**3], rel=1e-4)


def weights(arguments):
    """All numbers that a training left: the model's, by its identity, and its history."""
    identity = model_identity(Path(arguments.serving_model_dir))
    return identity, read(arguments, run_fn.HISTORY_FILE)


@pytest.fixture(scope="module", params=[1000, 0], ids=["in_memory", "streamed"])
def train_on(request, make_arguments, write_artifact, tmp_path_factory):
    """Trains on an artifact with that many files, in an order of its own."""

    def train_on(shards, seed):
        directory = tmp_path_factory.mktemp("order")
        artifact = write_artifact(directory, shards, seed)
        arguments = make_arguments(directory)
        arguments.train_files, arguments.eval_files = (
            [f"{artifact.uri}/Split-{split}/*"] for split in ("train", "eval")
        )
        arguments.custom_config["memory_mb"] = request.param
        run_fn.run_fn(arguments)
        return weights(arguments)

    return train_on


def test_weights_follow_from_the_examples_and_not_from_how_their_files_have_them(train_on):
    in_order = train_on(shards=1, seed=None)
    for shards, seed in ((1, 1), (7, 3)):
        assert train_on(shards, seed) == in_order


@pytest.fixture
def hostile_keras():
    """Another float type, image format and precision than Keras's defaults."""
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_epsilon(0.1)
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras_settings.pin()


def test_settings_of_keras_on_the_machine_change_no_weight(
    hostile_keras, run, make_arguments, tmp_path
):
    arguments = make_arguments(tmp_path)
    run_fn.run_fn(arguments)
    assert weights(arguments) == weights(run[0])


@pytest.mark.parametrize("memory_mb", [1000, 0])
def test_while_training_the_examples_lie_where_the_next_attempt_clears_up(
    make_arguments, monkeypatch, tmp_path, memory_mb
):
    def train(network, train_split, *_, **__):
        in_use = [file for file in (tmp_path / "checkpoints").rglob("*") if file.is_file()]
        assert bool(in_use) == (memory_mb == 0)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_fn.training, "train", train)
    arguments = make_arguments(tmp_path)
    arguments.custom_config["memory_mb"] = memory_mb
    with pytest.raises(KeyboardInterrupt):
        run_fn.run_fn(arguments)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_nothing_is_left_of_the_checkpoints_after_a_success(run):
    assert list(Path(run[0].custom_config["checkpoints"]).iterdir()) == []


def test_another_attempt_goes_on_where_one_was_broken_off(
    run, make_arguments, monkeypatch, tmp_path
):
    save = checkpoints.Checkpoints.on_epoch_end
    epochs = []

    def save_and_fail(self, epoch, logs=None):
        save(self, epoch, logs)
        epochs.append(epoch + 1)
        if epochs == [1, 2]:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", save_and_fail)
    with pytest.raises(KeyboardInterrupt):
        run_fn.run_fn(make_arguments(tmp_path))
    arguments = make_arguments(tmp_path, attempt="2")
    run_fn.run_fn(arguments)
    assert epochs == [1, 2, 3]
    for name in (run_fn.HISTORY_FILE, run_fn.SUMMARY_FILE):
        assert read(arguments, name) == read(run[0], name)


def test_the_budget_of_memory_goes_to_the_eval_split_first(make_arguments, monkeypatch, tmp_path):
    class SeenError(Exception):
        pass

    def train(network, train_split, eval_split, *_, **__):
        raise SeenError(type(train_split), type(eval_split))

    monkeypatch.setattr(run_fn.training, "train", train)
    # So that the two don't fit into a megabyte, though each does.
    monkeypatch.setattr(held, "example_bytes", lambda _: 3000)
    arguments = make_arguments(tmp_path)
    arguments.custom_config["memory_mb"] = 1
    with pytest.raises(SeenError) as seen:
        run_fn.run_fn(arguments)
    assert seen.value.args == (loading.StreamedSplit, loading.MemorySplit)


def test_the_images_are_let_go_before_the_model_is_exported(make_arguments, monkeypatch, tmp_path):
    load, export = loading.load_splits, run_fn.signatures.export
    images = []

    def load_and_follow(*args):
        splits = load(*args)
        images.extend(weakref.ref(split.pixels) for split in splits)
        return splits

    def look_and_export(*args):
        assert [one() for one in images] == [None, None]
        export(*args)

    monkeypatch.setattr(loading, "load_splits", load_and_follow)
    monkeypatch.setattr(run_fn.signatures, "export", look_and_export)
    run_fn.run_fn(make_arguments(tmp_path))
    assert images


@pytest.fixture
def arguments(make_arguments, tmp_path):
    return make_arguments(tmp_path)


def test_each_attempt_at_a_training_finds_the_same_checkpoints(make_arguments, tmp_path):
    first, second = (make_arguments(tmp_path, attempt=attempt) for attempt in "12")
    assert run_fn._checkpoint_directory(first) == run_fn._checkpoint_directory(second)


@pytest.mark.parametrize(
    "change",
    [
        lambda arguments: arguments.custom_config.update(source="fedcba9876543210"),
        lambda arguments: arguments.custom_config.update(learning_rate={}),
        lambda arguments: setattr(arguments, "hyperparameters", {"learning_rate": FOUND}),
        lambda arguments: setattr(arguments, "transform_output", "elsewhere"),
        lambda arguments: setattr(arguments, "train_files", ["elsewhere"]),
        lambda arguments: setattr(arguments, "eval_files", ["elsewhere"]),
    ],
    ids=["source", "configuration", "hyperparameters", "transform", "train", "eval"],
)
def test_the_checkpoints_of_another_training_are_not_used_but_removed(arguments, change):
    other = run_fn._checkpoint_directory(arguments)
    (other / "last").mkdir(parents=True)
    assert run_fn._checkpoint_directory(arguments) == other
    assert other.exists()
    change(arguments)
    directory = run_fn._checkpoint_directory(arguments)
    assert directory != other
    assert directory.parent == other.parent
    assert not other.exists()
