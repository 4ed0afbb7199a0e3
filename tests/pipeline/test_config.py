from pathlib import Path

import pydantic
import pytest

from pipeline import config
from pipeline.config import load_config
from pipeline.errors import UserError

PRESET_DIRECTORY = config.PROJECT_DIRECTORY / "pipeline" / "presets"
OTHER_PRESETS = sorted(set(PRESET_DIRECTORY.glob("*.toml")) - {PRESET_DIRECTORY / "tiny.toml"})


@pytest.fixture
def write(tmp_path):
    """Writes a configuration file: text, or bytes as they are."""

    def write(content: str | bytes) -> Path:
        file = tmp_path / "settings.toml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def refusal(*assignments, file=None, flags=None) -> str:
    with pytest.raises(UserError) as caught:
        load_config(file, assignments, flags)
    return str(caught.value)


def value(settings: config.Config, key: str):
    group, name = key.split(".")
    return getattr(getattr(settings, group), name)


def test_nothing_given_is_the_defaults():
    assert load_config() == config.Config()


def test_file_wins_over_defaults_set_over_the_file_and_flags_over_set(write):
    file = write("[training]\nepochs = 2\nbatch_size = 2\nseed = 2\n")
    assignments = ["training.batch_size=3", "training.seed=3"]
    settings = load_config(file, assignments, {"training.seed": 4})
    assert settings.training == config.Training(epochs=2, batch_size=3, seed=4)
    assert settings.model == config.Model()


def test_the_last_of_two_assignments_counts():
    assert load_config(None, ["training.epochs=2", "training.epochs=3"]).training.epochs == 3


def test_a_flag_that_was_not_given_changes_nothing(write):
    file = write("[training]\nepochs = 2\n")
    assert load_config(file, flags={"training.epochs": None}).training.epochs == 2


@pytest.mark.parametrize("file", OTHER_PRESETS, ids=lambda file: file.name)
def test_every_other_preset_is_a_configuration_other_than_the_default(file):
    assert load_config(file) != config.Config()


def test_the_tiny_preset_spells_out_the_default():
    assert load_config(PRESET_DIRECTORY / "tiny.toml") == config.Config()


def test_there_are_four_presets_to_train_with_and_one_for_smoke_tests():
    names = {file.stem for file in OTHER_PRESETS}
    assert names == {"fast", "original", "wide", "smoke"}


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("training.epochs=7", 7),
        ("training.epochs = 7", 7),
        ("training.epochs=1_000", 1000),
        ("learning_rate.peak=2e-3", 0.002),
        ("learning_rate.peak=1", 1.0),
        ("dataset.name=sample", "sample"),
        ('dataset.name="sample"', "sample"),
        ("dataset.max_examples=10", 10),
        ("dataset.pattern=key=value/{SPLIT}-*", "key=value/{SPLIT}-*"),
        ("dataset.dir=some where", Path("some where")),
        ("dataset.dir='/some/where'", Path("/some/where")),
        ("paths.root=2020-01-01", Path("2020-01-01")),
        ("model.filters=[16, 32]", (16, 32)),
        ("model.convolutions=3", 3),
        ('beam.args=["--runner=FlinkRunner", "--x=1"]', ("--runner=FlinkRunner", "--x=1")),
        ("beam.args=[]", ()),
    ],
)
def test_set_takes_a_value_as_in_toml_or_bare_text(assignment, expected):
    settings = load_config(None, [assignment])
    found = value(settings, assignment.partition("=")[0].strip())
    assert (found, type(found)) == (expected, type(expected))


def test_paths_given_as_flags_are_kept():
    settings = load_config(flags={"paths.root": Path("a"), "paths.serving_dir": Path("/b/ü")})
    assert settings.paths == config.Paths(root=Path("a"), serving_dir=Path("/b/ü"))


@pytest.mark.parametrize("assignment", ["", "=1", "training=5", "training.epochs", "a.b.c.d=1"])
def test_set_without_group_key_and_value_is_refused(assignment):
    assert refusal(assignment) == f"--set takes group.key=value, and got {assignment!r}."


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("training.epoch=3", "There is no setting training.epoch: did you mean epochs?"),
        ("trainnig.epochs=3", "There is no setting trainnig: did you mean training?"),
        ("beam.zzz=3", "There is no setting beam.zzz: there are args."),
        (
            "zzz.epochs=3",
            "There is no setting zzz: there are paths, dataset, model, augmentation, training, "
            "learning_rate, learning_rate_finder, data_gate, evaluation, serving, engine, beam, "
            "run.",
        ),
    ],
)
def test_an_unknown_key_gets_a_hint(assignment, sentence):
    assert refusal(assignment) == sentence


@pytest.mark.parametrize(
    ("key", "text", "shown", "allowed"),
    [
        ("training.epochs", "", '""', "a valid integer"),
        ("training.epochs", '"25"', '"25"', "a valid integer"),
        ("training.epochs", "25.0", "25.0", "a valid integer"),
        ("training.epochs", "true", "true", "a valid integer"),
        ("training.epochs", "nan", "NaN", "a valid integer"),
        ("training.epochs", "1e400", "Infinity", "a valid integer"),
        ("training.epochs", "0", "0", "greater than or equal to 1"),
        ("training.epochs", "-1", "-1", "greater than or equal to 1"),
        ("training.epochs", "{a = 1}", '{"a": 1}', "a valid integer"),
        ("training.epochs", "2020-01-01", '"2020-01-01"', "a valid integer"),
        ("training.seed", "-1", "-1", "greater than or equal to 0"),
        ("dataset.max_examples", "0", "0", "greater than or equal to 1"),
        ("dataset.name", "mnist", '"mnist"', "'auto', 'fashion_mnist' or 'sample'"),
        ("dataset.name", "1", "1", "'auto', 'fashion_mnist' or 'sample'"),
        ("model.convolutions", "5", "5", "3 or 4"),
        ("model.dropout", "1", "1", "less than 1"),
        ("learning_rate.peak", "0", "0", "greater than 0"),
        ("learning_rate.peak", "2", "2", "less than or equal to 1"),
        ("learning_rate.peak", "fast", '"fast"', "a valid number"),
        ("evaluation.min_accuracy", "85", "85", "less than or equal to 1"),
        ("paths.root", "3", "3", "a valid string"),
        ("beam.args", "--runner=x", '"--runner=x"', "a valid array"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(key, text, shown, allowed):
    sentence = f"{key} = {shown} is not allowed: it should be {allowed}."
    assert refusal(f"{key}={text}") == sentence


@pytest.mark.parametrize(
    ("key", "text"), [("model.filters.1", "[1, 'a']"), ("beam.args.0", "[1, 'a']")]
)
def test_a_wrong_value_in_a_list_is_named_by_its_place(key, text):
    name = key.rpartition(".")[0]
    assert refusal(f"{name}={text}").startswith(f"{key} = ")


@pytest.mark.parametrize("text", ["[1]", "[1, 2, 3]"])
def test_a_list_of_the_wrong_length_is_refused_with_the_length_it_should_have(text):
    sentence = refusal(f"model.filters={text}")
    assert sentence.startswith(f"model.filters = {text} is not allowed: it should have ")
    assert "2" in sentence.partition(":")[2] or "two" in sentence


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize(
    "key",
    [
        f"{group_name}.{name}"
        for group_name, group in config.Config()
        for name, default in group
        if isinstance(default, float)
    ],
)
def test_a_number_that_is_not_finite_is_refused(key, text):
    # JSON has none of them: the worker would not get the configuration.
    assert refusal(f"{key}={text}").startswith(f"{key} = ")


def test_a_seed_that_numpy_does_not_take_is_refused_at_once():
    assert load_config(None, [f"training.seed={2**32 - 1}"]).training.seed == 2**32 - 1
    assert refusal(f"training.seed={2**32}").startswith("training.seed = 4294967296 is not")


@pytest.mark.parametrize("text", ["[" * 2000, "9" * 5000], ids=["nested", "long"])
def test_text_that_the_toml_parser_chokes_on_is_refused_without_a_traceback(text, write):
    assert refusal(f"training.epochs={text}").startswith("training.epochs = ")
    file = write(f"[training]\nepochs = {text}\n")
    assert str(file) in refusal(file=file)


@pytest.mark.parametrize("key", ["paths.root", "dataset.dir"])
def test_a_path_that_is_not_utf_8_is_refused_by_the_name_of_its_setting(key):
    # As Python hands over such bytes from the command line.
    assert refusal(flags={key: Path("\udcff")}).startswith(f"{key} = ")
    assert refusal(f"{key}=\udcff").startswith(f"{key} = ")


def test_each_of_several_mistakes_gets_a_sentence():
    sentences = refusal("training.epochs=0", "training.speed=1")
    assert "training.epochs = 0 is not allowed" in sentences
    assert "There is no setting training.speed" in sentences


@pytest.mark.parametrize("content", ["training = 5", "training = 'x'", "[[training]]\nepochs = 5"])
@pytest.mark.parametrize("assignments", [[], ["training.epochs=4"]])
def test_a_group_that_is_not_a_table_is_refused(write, content, assignments):
    assert refusal(*assignments, file=write(content)).startswith("training ")


def test_an_unknown_table_in_a_group_is_refused(write):
    sentence = refusal(file=write("[training.epoch.x]\na = 1"))
    assert sentence == "There is no setting training.epoch: did you mean epochs?"


@pytest.mark.parametrize(
    "content",
    [b"[training\n", b"\xff\xfe", b"epochs", b"[training]\nepochs=1\nepochs=2"],
    ids=["bracket", "not UTF-8", "no value", "twice"],
)
def test_a_file_that_is_not_toml_is_refused_by_name(write, content):
    file = write(content)
    assert refusal(file=file).startswith(f"The configuration {file} is not valid TOML: ")


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("none.toml", "No such file or directory"),
        ("", "Is a directory"),
        ("file/x.toml", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
    ids=["missing", "directory", "below a file", "long name"],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path, name, cause):
    (tmp_path / "file").touch()
    file = tmp_path / name
    assert refusal(file=file) == (
        f"The configuration {file} can't be read: {cause}; name another file."
    )


def test_an_empty_file_and_one_from_windows_are_read(write):
    assert load_config(write("")) == config.Config()
    assert load_config(write("[training]\r\nepochs = 7\r\n")).training.epochs == 7


def test_a_configuration_does_not_change():
    settings = load_config(None, ["training.epochs=7"])
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.training.epochs = 8
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.training = config.Training()


def test_the_range_of_the_finder_must_rise():
    assert refusal("learning_rate_finder.lowest=0.5", "learning_rate_finder.highest=0.1") == (
        "learning_rate_finder is not allowed: lowest, 0.5, should be below highest, 0.1."
    )


def test_a_floor_of_one_class_leaves_the_others_as_they_are():
    given = load_config(None, ["evaluation.min_recall.Shirt=0.6"]).evaluation
    assert given.min_recall == {"default": 0.75, "Shirt": 0.6}
    assert given.min_f1 == config.Evaluation().min_f1


def test_floors_are_set_one_by_one_and_by_a_table(write):
    file = write('[evaluation.min_f1]\ndefault = 0.5\n"T-shirt/top" = 0.4')
    given = load_config(file, ["evaluation.min_f1.Ankle boot=0.9"]).evaluation
    assert given.min_f1 == {"default": 0.5, "Shirt": 0.55, "T-shirt/top": 0.4, "Ankle boot": 0.9}


def test_a_floor_of_a_class_that_does_not_exist_is_refused():
    assert refusal("evaluation.min_recall.Shrt=0.6").startswith(
        "evaluation.min_recall is not allowed: there is no class 'Shrt'; there are T-shirt/top, "
    )


def test_a_floor_out_of_range_is_refused_by_its_class():
    assert refusal("evaluation.min_f1.Shirt=1.5") == (
        "evaluation.min_f1.Shirt = 1.5 is not allowed: it should be less than or equal to 1."
    )


def test_a_setting_that_has_no_classes_is_refused():
    assert refusal("training.epochs.Shirt=3").startswith(
        'training.epochs = {"Shirt": 3} is not allowed: it should be'
    )


def test_one_floor_for_all_is_refused_with_what_it_should_be():
    assert refusal("evaluation.min_f1=0.5") == (
        "evaluation.min_f1 = 0.5 is not allowed: it should be a table by classes, such as "
        '{ default = 0.75, "Ankle boot" = 0.5 }.'
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths.root", '"a\\u0000b"'),
        ("serving.server_dir", '"/\\u0000"'),
        ("beam.args", '["\\u0000"]'),
    ],
)
def test_text_that_no_system_takes_is_refused(key, value):
    assert refusal(f"{key}={value}").startswith(f"{key} is not allowed: ")


HUGE = "0x" + "f" * 5000


@pytest.mark.parametrize("value", [HUGE, f"[{HUGE}]"])
def test_number_that_can_not_be_written_is_refused_in_both_places(write, value):
    said = "is not allowed: a number in it has thousands of digits"
    assert said in refusal(f"training.epochs={value}")
    assert said in refusal(file=write(f"[training]\nepochs = {value}\n"))
