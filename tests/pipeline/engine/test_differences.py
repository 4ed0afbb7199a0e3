import json

import pytest
from google.protobuf import json_format

from pipeline import config, evaluation, nodes
from pipeline.engine.differences import RATE_SOURCE, find_differences

TRAINING = {"seed": 0, "epochs": 3}


def trainer(**config_):
    return {"run_fn": "a.b", "custom_config": {"training": TRAINING, **config_}}


def evaluator(*assignments):
    settings = config.load_config(assignments=assignments).evaluation
    built = json_format.MessageToDict(
        evaluation.build_eval_config(settings), preserving_proto_field_name=True
    )
    return {"eval_config": built, "source": "now"}


@pytest.mark.parametrize(
    ("node", "wanted", "recorded", "differences"),
    [
        (nodes.TRAINER, trainer(), trainer(), []),
        (
            nodes.TRAINER,
            trainer(training={"seed": 7, "epochs": 9}),
            trainer(),
            [
                "training.seed = 7, where the run before had 0",
                "training.epochs = 9, where the run before had 3",
            ],
        ),
        # In one clause if they have become the same.
        (
            nodes.TRAINER,
            trainer(training={"seed": 9, "epochs": 9}),
            trainer(training={"seed": 1, "epochs": 1}),
            ["training.seed, training.epochs = 9, where the run before had 1"],
        ),
        (
            nodes.TRAINER,
            trainer(memory_mb=5),
            trainer(memory_mb=50),
            ["training.memory_mb = 5, where the run before had 50"],
        ),
        (
            nodes.TRAINER,
            trainer(flip_averaging=False),
            trainer(flip_averaging=True),
            ["training.flip_averaging = false, where the run before had true"],
        ),
        (
            nodes.TRAINER,
            {RATE_SOURCE: "fixed"},
            {RATE_SOURCE: "finder"},
            ['learning_rate.source = "fixed", where the run before had "finder"'],
        ),
        (
            nodes.TRAINER,
            trainer(model={"filters": [4, 4]}),
            trainer(model={"filters": [14, 16]}),
            ["model.filters = [4, 4], where the run before had [14, 16]"],
        ),
        # What earlier versions of this project did not have.
        (
            nodes.TRAINER,
            trainer(model={"depth": 9}),
            trainer(),
            ["model.depth = 9, where the run before had none"],
        ),
        (
            nodes.LEARNING_RATE_FINDER,
            {"config": {"finder": {"points": 5}, "seed": 1, "model": {"dropout": 0.5}}},
            {"config": {"finder": {"points": 6}, "seed": 2, "model": {"dropout": 0.0}}},
            [
                "learning_rate_finder.points = 5, where the run before had 6",
                "training.seed = 1, where the run before had 2",
                "model.dropout = 0.5, where the run before had 0.0",
            ],
        ),
        (
            nodes.SERVING_CHECK,
            {"config": {"check": "process", "max_size_mb": 5}},
            {"config": {"check": "process", "max_size_mb": 20}},
            ["serving.max_size_mb = 5, where the run before had 20"],
        ),
        (
            nodes.SERVING_CHECK,
            {"validation_spec": {"max_loading_time_seconds": 30}, "request_spec": {}},
            {"config": {"check": "process", "max_load_s": 30.0}},
            ['serving.check = "infra_validator", where the run before had "process"'],
        ),
        (
            nodes.PUSHER,
            {
                "push_destination": {"filesystem": {"base_directory": "/new/tinyvgg"}},
                "custom_config": {"server_dir": "/srv"},
            },
            {
                "push_destination": {"filesystem": {"base_directory": "/old/tinyvgg"}},
                "custom_config": {"server_dir": None, "model_source": "0", "dataset": "d"},
            },
            [
                'paths.serving_dir = "/new/tinyvgg", where the run before had "/old/tinyvgg"',
                'serving.server_dir = "/srv", where the run before had none',
            ],
        ),
        (
            nodes.IMPORT_SCHEMA_GEN,
            {"schema_file": "/new/schema.pbtxt", "sha256": "12"},
            {"schema_file": "/old/schema.pbtxt", "sha256": "34"},
            [
                'the schema = "/new/schema.pbtxt", where the run before had "/old/schema.pbtxt"',
                'the schema\'s SHA-256 = "12", where the run before had "34"',
            ],
        ),
        # An earlier version of this project recorded no sum.
        (nodes.IMPORT_SCHEMA_GEN, {"schema_file": "/s", "sha256": "1"}, {"schema_file": "/s"}, []),
    ],
)
def test_difference_is_named_as_a_person_sets_it(node, wanted, recorded, differences):
    assert find_differences(node, wanted, recorded) == differences


@pytest.mark.parametrize(
    ("wanted", "recorded"),
    [
        ({"source": "now"}, {"source": "then"}),
        # As earlier versions of this project did it.
        ({"source": "now", "custom_config": None}, {"custom_config": {"source": "then"}}),
        (
            {"source": "now", "custom_config": {"source": "now", "dataset": "d", "seed": 1}},
            {"custom_config": {"source": "then", "seed": 1}},
        ),
    ],
)
@pytest.mark.parametrize("node", [nodes.TRAINER, nodes.TRANSFORM])
def test_what_follows_the_code_is_left_aside(node, wanted, recorded):
    assert find_differences(node, wanted, recorded) == []


@pytest.mark.parametrize(
    ("assignments", "difference"),
    [
        ((), []),
        (
            ["evaluation.min_accuracy=0.5"],
            ["evaluation.min_accuracy = 0.5, where the run before had 0.85"],
        ),
        (
            ["evaluation.max_accuracy_drop=0.02"],
            ["evaluation.max_accuracy_drop = 0.02, where the run before had 0.01"],
        ),
        (
            ["evaluation.max_recall_drop=1"],
            ["evaluation.max_recall_drop = 1.0, where the run before had 0.05"],
        ),
        (["evaluation.max_loss=2"], ["evaluation.max_loss = 2.0, where the run before had 0.5"]),
        (
            ["evaluation.min_recall.Bag=0", "evaluation.min_f1.Shirt=0.9"],
            [
                "evaluation.min_recall.Bag = 0.0, where the run before had 0.75",
                "evaluation.min_f1.Shirt = 0.9, where the run before had 0.55",
            ],
        ),
        (
            ["evaluation.confidence_intervals=jackknife"],
            ['evaluation.confidence_intervals = "jackknife", where the run before had "none"'],
        ),
    ],
)
def test_thresholds_are_named_and_not_the_configuration_that_they_become(assignments, difference):
    found = find_differences(nodes.EVALUATOR, evaluator(*assignments), evaluator())
    assert sorted(found) == sorted(difference)


def examples(directory, pattern="span-{SPAN}/train-*"):
    splits = [{"name": "train", "pattern": pattern}]
    return {"input_base": str(directory), "input_config": {"splits": splits}}


def test_data_that_is_the_same_is_no_difference(tmp_path):
    # The driver filled in the span.
    then = examples(tmp_path, "span-7/train-*")
    assert find_differences(nodes.IMPORT_EXAMPLE_GEN, examples(tmp_path), then) == []


def test_other_data_is_named_by_its_directory():
    [told] = find_differences(nodes.IMPORT_EXAMPLE_GEN, examples("/new"), examples("/old"))
    assert told == 'dataset.dir = "/new", where the run before had "/old"'


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ("span-{SPAN:3}/v{VERSION:2}/train-*", "span-007/v02/train-*"),
        ("{YYYY}-{MM}-{DD}/train", "2025-02-01/train"),
    ],
)
def test_the_numbers_that_were_taken_are_no_other_pattern(asked, taken):
    now, then = examples("data", asked), examples("data", taken)
    assert find_differences(nodes.IMPORT_EXAMPLE_GEN, now, then) == []


def test_other_pattern_is_named():
    now, then = examples("/d", "new-{SPAN}-*"), examples("/d", "old-1-*")
    [told] = find_differences(nodes.IMPORT_EXAMPLE_GEN, now, then)
    assert told == 'dataset.pattern = ["new-{SPAN}-*"], where the run before had ["old-1-*"]'


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ({"seed": 3}, "dataset.seed = 3, where the run before had 0"),
        ({"max_examples": 9}, "dataset.max_examples = 9, where the run before had none"),
        # Other images, cut in the same way.
        ({"source": ["0"]}, "dataset.dir = "),
    ],
)
def test_records_that_were_cut_otherwise_are_named_by_the_setting(tmp_path, manifest, told):
    recorded = {"seed": 0, "eval_examples": 5, "max_examples": None, "source": []}
    for name, one in (("new", {**recorded, **manifest}), ("old", recorded)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.json").write_text(json.dumps(one))
    now, then = examples(tmp_path / "new"), examples(tmp_path / "old")
    [difference] = find_differences(nodes.IMPORT_EXAMPLE_GEN, now, then)
    assert difference.startswith(told)


@pytest.mark.parametrize(
    "own",
    [
        *("{}", "[]", "7", "{", '{"of": 60, "source": "/d"}'),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_records_of_ones_own_are_named_by_their_directory_whatever_is_beside_them(tmp_path, own):
    ours = json.dumps({"seed": 0, "eval_examples": 5, "max_examples": None})
    for name, content in (("new", own), ("old", ours)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.json").write_text(content)
    now, then = examples(tmp_path / "new"), examples(tmp_path / "old")
    [difference] = find_differences(nodes.IMPORT_EXAMPLE_GEN, now, then)
    assert difference.startswith(f'dataset.dir = "{tmp_path / "new"}"')
