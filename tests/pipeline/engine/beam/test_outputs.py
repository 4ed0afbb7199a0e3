import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, standard_artifacts

from pipeline.engine.beam.outputs import LostOutputError, check_outputs

RECORDS = {"train": 6, "eval": 2, "test": 3}
ARTIFACTS = {
    "examples": standard_artifacts.Examples,
    "statistics": standard_artifacts.ExampleStatistics,
    "transform_graph": standard_artifacts.TransformGraph,
    "evaluation": standard_artifacts.ModelEvaluation,
    "blessing": standard_artifacts.ModelBlessing,
}


def make(key: str, directory: Path):
    artifact = ARTIFACTS[key]()
    artifact.uri = str(directory)
    if key in ("examples", "statistics"):
        artifact.split_names = artifact_utils.encode_split_names([*RECORDS])
    return artifact


def check(key, directory, *, inputs=(), records=RECORDS):
    """Looks at one output as after a node; returns what is noted on it."""
    artifact = make(key, directory)
    made = execution_result_pb2.ExecutorOutput()
    made.output_artifacts[key].artifacts.append(artifact.mlmd_artifact)
    check_outputs({"in": inputs}, {key: [artifact]}, made, records, "share the root")
    return made.output_artifacts[key].artifacts[0].custom_properties


def write_examples(directory: Path, counts: dict[str, int]) -> None:
    for split, count in counts.items():
        place = directory / f"Split-{split}"
        place.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(place / "data-00000.gz"), "GZIP") as writer:
            for number in range(count):
                writer.write(bytes([number]))


def write_statistics(directory: Path, counts: dict[str, int]) -> None:
    for split, count in counts.items():
        place = directory / f"Split-{split}"
        place.mkdir(parents=True)
        found = statistics_pb2.DatasetFeatureStatisticsList()
        found.datasets.add(num_examples=count)
        (place / "FeatureStats.pb").write_bytes(found.SerializeToString())


def refusal(place: Path, fault: str):
    sentence = f"{place} {fault}: share the root."
    return pytest.raises(LostOutputError, match=f"^{re.escape(sentence)}$")


def test_examples_that_are_all_there_are_counted_for_those_who_read_them(tmp_path):
    write_examples(tmp_path, RECORDS)
    noted = check("examples", tmp_path)
    assert json.loads(noted["examples"].string_value) == RECORDS


def test_a_split_without_a_file_is_named(tmp_path):
    write_examples(tmp_path, {"train": 6, "test": 3})
    with refusal(tmp_path / "Split-eval", "has no example"):
        check("examples", tmp_path)


def test_a_split_without_an_example_is_named(tmp_path):
    write_examples(tmp_path, {**RECORDS, "test": 0})
    with refusal(tmp_path / "Split-test", "has no example"):
        check("examples", tmp_path, records={**RECORDS, "test": 0})


def test_a_split_that_lacks_examples_of_its_source_is_named_with_both_numbers(tmp_path):
    write_examples(tmp_path, {**RECORDS, "train": 5})
    with refusal(tmp_path / "Split-train", "has 5 examples, and 6 were to be read"):
        check("examples", tmp_path)


def test_examples_that_are_damaged_are_refused(tmp_path):
    write_examples(tmp_path, RECORDS)
    [file] = (tmp_path / "Split-eval").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(Exception, match=r"Split-eval/data-00000.gz is damaged at record"):
        check("examples", tmp_path)


def noted_examples(tmp_path, counts):
    """Examples as they come out of the books, with what was noted of them."""
    artifact = make("examples", tmp_path / "examples")
    if counts:
        artifact.set_string_custom_property("examples", json.dumps(counts))
    return artifact


def test_statistics_have_as_many_examples_as_were_taken_in(tmp_path):
    write_statistics(tmp_path, {"train": 1, "eval": 1, "test": 1})
    taken_in = noted_examples(tmp_path, {"train": 1, "eval": 2, "test": 1})
    with refusal(tmp_path / "Split-eval", "has 1 examples, and 2 were to be read"):
        # What is to be imported now does not matter: a part may go by what was imported before.
        check("statistics", tmp_path, inputs=[taken_in])


def test_statistics_of_examples_that_nobody_counted_must_have_some(tmp_path):
    write_statistics(tmp_path, {"train": 1, "eval": 0, "test": 1})
    with refusal(tmp_path / "Split-eval", "has no example"):
        check("statistics", tmp_path, inputs=[noted_examples(tmp_path, None)])


def test_statistics_that_are_whole_pass(tmp_path):
    write_statistics(tmp_path, RECORDS)
    check("statistics", tmp_path, inputs=[noted_examples(tmp_path, RECORDS)])


def test_statistics_of_a_split_that_are_missing_are_named(tmp_path):
    write_statistics(tmp_path, {"train": 6, "eval": 2})
    with refusal(tmp_path / "Split-test" / "FeatureStats.pb", "is not there"):
        check("statistics", tmp_path, inputs=[noted_examples(tmp_path, RECORDS)])


GRAPH = (
    "metadata/schema.pbtxt",
    "transformed_metadata/schema.pbtxt",
    "transform_fn/saved_model.pb",
)


def write_graph(directory: Path) -> None:
    for name in GRAPH:
        (directory / name).parent.mkdir()
        (directory / name).write_text("x")


def test_a_transform_graph_that_is_whole_passes(tmp_path):
    write_graph(tmp_path)
    check("transform_graph", tmp_path)


@pytest.mark.parametrize("name", GRAPH)
def test_a_transform_graph_lacks_nothing(name, tmp_path):
    write_graph(tmp_path)
    (tmp_path / name).write_text("")
    with refusal(tmp_path / name, "is empty"):
        check("transform_graph", tmp_path)
    (tmp_path / name).unlink()
    with refusal(tmp_path / name, "is not there"):
        check("transform_graph", tmp_path)


def test_an_evaluation_without_figures_is_refused(tmp_path):
    with refusal(tmp_path, "has no figures that can be read"):
        check("evaluation", tmp_path)


def test_an_evaluation_of_too_few_examples_is_refused(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from pipeline.engine.beam import outputs

    figures = SimpleNamespace(overall=SimpleNamespace(examples=2))
    monkeypatch.setattr(outputs, "read_figures", lambda directory: figures)
    with refusal(tmp_path, "has 2 examples, and 3 were to be read"):
        check("evaluation", tmp_path, inputs=[noted_examples(tmp_path, RECORDS)])


def test_anything_else_has_a_file_be_it_empty(tmp_path):
    with refusal(tmp_path, "has no file"):
        check("blessing", tmp_path)
    (tmp_path / "BLESSED").touch()
    check("blessing", tmp_path)
