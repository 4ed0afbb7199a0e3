import shutil

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline import config, workspace
from pipeline.curation import evidence
from pipeline.curation.curated import CURATED
from pipeline.runs import lookup
from tests.pipeline.measuring import GOOD
from trainer_module import features

RAW, IMAGES = CURATED["schema.pbtxt"], CURATED["images.pbtxt"]

OLDER, NEWER = "2026-11-24T13-00-00.000", "2026-11-24T14-00-00.000"

INFERRED = """
feature { name: "image" type: BYTES shape { dim { size: 1 } } }
feature { name: "label" type: INT shape { dim { size: 1 } } }
"""


@pytest.fixture
def places(tmp_path):
    return lookup.find_places(config.Config(paths=config.Paths(root=tmp_path / "root")))


@pytest.fixture
def keep(places, keep_data):
    """Leaves a run that got as far as these nodes, and says where their outputs are."""

    def keep(run_id, *nodes, place=places[0], inferred=INFERRED):
        outputs = {
            "StatisticsGen": GOOD[RAW.name](),
            "SchemaGen": inferred,
            "ImageStatistics": GOOD[IMAGES.name](),
        }
        return keep_data(place, run_id, {node: outputs[node] for node in nodes})

    return keep


def test_the_newest_run_that_got_far_enough_is_found(places, keep):
    keep(OLDER, "StatisticsGen", "SchemaGen")
    keep(NEWER, "StatisticsGen")
    found = evidence.find(places, None, RAW)
    assert (found.run.run_id, [*found.statistics]) == (OLDER, ["train"])


def test_it_says_what_was_inferred_and_what_the_statistics_show(places, keep):
    keep(NEWER, "StatisticsGen", "SchemaGen")
    schema = evidence.find(places, None, RAW).schema
    by_name = {feature.name: feature for feature in schema.feature}
    expected = text_format.Parse(INFERRED, schema_pb2.Schema())
    assert [*by_name] == [feature.name for feature in expected.feature]
    assert by_name[features.LABEL].shape == expected.feature[1].shape
    assert by_name[features.LABEL].int_domain.max == features.NUM_CLASSES - 1


def test_of_the_images_the_statistics_are_enough(places, keep):
    keep(NEWER, "ImageStatistics")
    assert [one.name for one in evidence.find(places, None, IMAGES).schema.feature] == [
        *("ink", "brightness", "class", "class_share")
    ]
    assert evidence.find(places, None, RAW) is None


def test_a_run_that_is_named_is_the_only_one_that_is_looked_at(places, keep):
    keep(OLDER, "StatisticsGen", "SchemaGen")
    keep(NEWER, "StatisticsGen")
    assert evidence.find(places, OLDER[:13], RAW).run.run_id == OLDER
    assert evidence.find(places, NEWER, RAW) is None


def test_runs_on_the_sample_are_looked_at_too(places, keep):
    keep(OLDER, "StatisticsGen", "SchemaGen", place=places[1])
    keep(NEWER, place=places[0])
    assert evidence.find(places, None, RAW).run.place == places[1]


def test_what_was_deleted_since_is_passed_by(places, keep):
    keep(OLDER, "StatisticsGen", "SchemaGen")
    made = keep(NEWER, "StatisticsGen", "SchemaGen")
    shutil.rmtree(made["SchemaGen"])
    assert evidence.find(places, None, RAW).run.run_id == OLDER


def test_runs_before_there_were_metadata_have_nothing(places):
    (workspace.runs(places[0].root) / NEWER).mkdir(parents=True)
    (workspace.runs(places[0].root) / NEWER / "pipeline.log").touch()
    assert evidence.find(places, None, RAW) is None


def test_damaged_statistics_are_refused_by_their_directory(places, keep, refusal):
    made = keep(NEWER, "StatisticsGen", "SchemaGen")["StatisticsGen"]
    (made / "Split-train" / "FeatureStats.pb").write_bytes(b"\x0a\xff")
    with refusal(made, "damaged or incomplete"):
        evidence.find(places, None, RAW)


def test_a_split_without_its_file_is_refused_by_its_directory(places, keep, refusal):
    made = keep(NEWER, "StatisticsGen", "SchemaGen")["StatisticsGen"]
    (made / "Split-eval").mkdir()
    with refusal(made, "damaged or incomplete"):
        evidence.find(places, None, RAW)


def test_a_damaged_inferred_schema_is_refused_by_its_file(places, keep, refusal):
    made = keep(NEWER, "StatisticsGen", "SchemaGen", inferred="feature {")["SchemaGen"]
    with refusal(made / "schema.pbtxt", "is no schema"):
        evidence.find(places, None, RAW)
