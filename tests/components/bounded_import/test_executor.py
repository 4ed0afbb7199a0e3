import gzip
import json
import random

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tfx.v1.proto import Input
from tfx.v1.types import standard_artifacts

from components.bounded_import import executor
from pipeline.config import Config
from pipeline.engine.beam.arguments import make_arguments
from trainer_module.tfx_internals import artifact_utils, base_beam_executor, examples_utils

FORMAT_TF_EXAMPLE = 6


def write(file, records, compression=""):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), compression) as writer:
        for record in records:
            writer.write(record)


def read(file):
    return list(tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator())


@pytest.fixture
def run(tmp_path):
    """Imports what is below `data`; takes the pattern of each split, returns the artifact."""

    def run(patterns, workers=1):
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / "examples")
        splits = Input(
            splits=[Input.Split(name=name, pattern=pattern) for name, pattern in patterns.items()]
        )
        arguments = [*make_arguments(Config()), f"--direct_num_workers={workers}"]
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=arguments, tmp_dir=str(tmp_path / "tmp"), unique_id=""
        )
        executor.Executor(context).Do(
            {},
            {"examples": [examples]},
            {
                "input_base": str(tmp_path / "data"),
                "input_config": json_format.MessageToJson(splits),
                "output_data_format": FORMAT_TF_EXAMPLE,
            },
        )
        return examples

    return run


@pytest.fixture
def records():
    source = random.Random(0)
    return [source.randbytes(source.randrange(80)) for _ in range(100)]


def files_of(examples, split):
    return sorted(tf.io.gfile.glob(f"{artifact_utils.get_split_uri([examples], split)}/*"))


def test_every_record_of_each_split_is_there_in_the_order_that_it_had(run, records, tmp_path):
    write(tmp_path / "data" / "train-0.gz", records[:40], "GZIP")
    write(tmp_path / "data" / "train-1.gz", records[40:70], "GZIP")
    write(tmp_path / "data" / "test", records[70:])
    examples = run({"train": "train-*", "test": "test*"})
    assert json.loads(examples.split_names) == ["train", "test"]
    found = [read(file) for file in files_of(examples, "train")]
    assert found == [records[:40], records[40:70]]
    assert [read(file) for file in files_of(examples, "test")] == [records[70:]]


def test_a_large_file_becomes_several_of_a_bounded_size(run, records, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "EXAMPLES_PER_FILE", 30)
    write(tmp_path / "data" / "train", records)
    found = [read(file) for file in files_of(run({"train": "train"}), "train")]
    assert [len(part) for part in found] == [30, 30, 30, 10]
    assert [record for part in found for record in part] == records


@pytest.mark.parametrize("name", ["train", "train.gz"])
def test_a_file_of_twice_the_bound_becomes_two(run, records, tmp_path, monkeypatch, name):
    monkeypatch.setattr(executor, "EXAMPLES_PER_FILE", 50)
    write(tmp_path / "data" / name, records, "GZIP" if name.endswith(".gz") else "")
    found = [read(file) for file in files_of(run({"train": name}), "train")]
    assert [len(part) for part in found] == [50, 50]
    assert [record for part in found for record in part] == records


def test_what_is_gzipped_and_within_the_bound_is_not_packed_anew(run, records, tmp_path):
    write(tmp_path / "data" / "train.gz", records, "GZIP")
    [file] = files_of(run({"train": "train.gz"}), "train")
    assert tf.io.gfile.GFile(file, "rb").read() == (tmp_path / "data" / "train.gz").read_bytes()


@pytest.mark.parametrize("name", ["train", "train.gz"])
def test_a_file_without_records_becomes_none(run, tmp_path, name):
    write(tmp_path / "data" / name, [], "GZIP" if name.endswith(".gz") else "")
    assert files_of(run({"train": name}), "train") == []


def test_the_same_records_give_the_same_bytes(run, records, tmp_path):
    write(tmp_path / "data" / "train-a.gz", records, "GZIP")
    write(tmp_path / "data" / "train-b.gz", records[::-1], "GZIP")
    first, second = (
        [
            tf.io.gfile.GFile(file, "rb").read()
            for file in files_of(run({"train": "train-*"}), "train")
        ]
        for _ in range(2)
    )
    assert first == second


def test_the_artifact_says_what_its_records_are(run, records, tmp_path):
    write(tmp_path / "data" / "train", records)
    examples = run({"train": "train"})
    assert examples_utils.get_payload_format(examples) == FORMAT_TF_EXAMPLE
    assert examples_utils.get_file_format(examples) == "tfrecords_gzip"


@pytest.mark.parametrize("name", ["train", "train.gz"])
def test_a_damaged_record_fails_the_import(run, records, tmp_path, name):
    file = tmp_path / "data" / "train"
    write(file, records)
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.unlink()
    packed = gzip.compress(content) if name.endswith(".gz") else bytes(content)
    (tmp_path / "data" / name).write_bytes(packed)
    with pytest.raises(Exception, match="corrupted record"):
        run({"train": name})
