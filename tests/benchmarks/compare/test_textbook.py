import subprocess
import sys

import pytest
import tensorflow as tf

from benchmarks.compare.sides import read_intervals
from benchmarks.compare.textbook.pipeline import build_eval_config
from pipeline import config, nodes
from pipeline.data.kinds import Sample
from pipeline.data.preparation import SPLITS
from trainer_module import features, served

EXAMPLES = 40


def test_each_class_is_measured_against_the_rest_overall_and_by_slice():
    wanted = build_eval_config()
    overall, by_class = wanted.metrics_specs
    assert [metric.class_name for metric in by_class.metrics] == ["Precision", "Recall", "AUC"]
    assert [*by_class.binarize.class_ids.values] == [*range(features.NUM_CLASSES)]
    assert "SparseCategoricalAccuracy" in {metric.class_name for metric in overall.metrics}
    assert [[*one.feature_keys] for one in wanted.slicing_specs] == [[], [features.LABEL]]


@pytest.mark.e2e
def test_the_textbook_pipeline_pushes_a_model_that_serves_raw_examples(tmp_path):
    settings = config.Dataset(name="sample", max_examples=EXAMPLES)
    prepared = Sample().prepare(settings, tmp_path / "records")
    files = sorted(prepared.directory.rglob("*.tfrecord.gz"))
    root = tmp_path / "root"
    command = [sys.executable, "-m", "benchmarks.compare.textbook", "--root", str(root)]
    command += ["--records", str(files[0].parent), "--epochs", "1", "--batch-size", "20"]
    command += ["--train", str(EXAMPLES), "--eval", str(EXAMPLES)]
    subprocess.run(command, check=True, stderr=subprocess.PIPE)
    assert {nodes.TRANSFORM, nodes.TRAINER, nodes.EVALUATOR} <= {
        one.component for one in read_intervals(root / "metadata.db")
    }
    # What it is trained on was written by Transform, of all splits.
    written = root.glob("artifacts/Transform/transformed_examples/*/Split-*")
    assert {path.name.removeprefix("Split-") for path in written} == {*SPLITS}
    [version] = (root / "serving").iterdir()
    serve = tf.saved_model.load(str(version)).signatures[served.SERVING_DEFAULT]
    records = tf.data.TFRecordDataset(str(files[0]), "GZIP").batch(5)
    assert serve(next(iter(records)))["outputs"].shape == (5, features.NUM_CLASSES)
