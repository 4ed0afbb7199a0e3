import pytest

from pipeline import config, presets, settings
from pipeline.config import load_config

PAGE = config.PROJECT_DIRECTORY / "docs" / "settings.md"

ODD = (
    ["paths.root='/a b/ü \\ # \"x\"'", "paths.serving_dir=s", "dataset.max_examples=7"],
    ["dataset.pattern='a\tb\u007f{SPLIT}'", "learning_rate.peak=1e-7", "training.patience=3"],
    ["evaluation.min_f1.T-shirt/top=0.25", "evaluation.min_recall.Ankle boot=1"],
    ["beam.args=['--a=\"b\"', '']", "model.filters=[1, 2]", "model.batch_norm=false"],
)


@pytest.mark.parametrize("assignments", [[], *ODD])
def test_toml_of_settings_is_read_back_as_they_were(assignments, tmp_path):
    given = load_config(None, assignments)
    file = tmp_path / "settings.toml"
    file.write_text(settings.to_toml(given), encoding="utf-8")
    assert load_config(file) == given


@pytest.mark.parametrize("name", presets.names())
def test_toml_of_a_preset_is_read_back_as_it_was(name, tmp_path):
    given = load_config(presets.find(name))
    file = tmp_path / "settings.toml"
    file.write_text(settings.to_toml(given), encoding="utf-8")
    assert load_config(file) == given


def test_toml_marks_what_is_not_the_default_and_what_is_not_given():
    lines = settings.to_toml(load_config(None, ["training.epochs=3", "training.patience=2"]))
    assert [line for line in lines.splitlines() if "#" in line] == [
        "# serving_dir is not given",
        "# dir is not given",
        "# max_examples is not given",
        "epochs = 3  # default: 25",
        "patience = 2  # default: not given",
        "# server_dir is not given",
        *(f"# {name} is not given" for name in ("address", "environment", "pool_address", "image")),
        *(f"# {name} is not given" for name in ("staging", "project", "region")),
    ]
    assert "batch_size = 128" in lines.splitlines()


def test_what_differs_from_the_default_is_named_by_group_and_key():
    assert settings.differing(config.Config()) == {}
    given = load_config(None, ["training.epochs=3", "evaluation.min_f1.Bag=0.5", "paths.root=r"])
    assert settings.differing(given) == {
        "paths.root": "r",
        "training.epochs": 3,
        "evaluation.min_f1": {"default": 0.75, "Shirt": 0.55, "Bag": 0.5},
    }


def test_table_has_a_row_for_each_setting_with_its_default_and_meaning():
    rows = settings.to_table().splitlines()
    assert len(rows) == sum(len(list(group)) for _, group in config.Config())
    assert "| `training.epochs` | `25` | Number of passes over the train split. |" in rows
    assert "| `training.patience` |  | " in "\n".join(rows)


def test_the_page_has_the_table_that_is_made_of_the_fields():
    page = PAGE.read_text(encoding="utf-8")
    assert settings.to_table() in page
    assert settings.insert_table(page) == page, "run `make docs`"


def test_table_that_is_out_of_date_is_replaced_and_nothing_else():
    page = PAGE.read_text(encoding="utf-8")
    old = page.replace("| `training.epochs` | `25` |", "| `training.epochs` | `24` |")
    assert old != page
    assert settings.insert_table(old) == page


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(field, id=f"{group}.{name}")
        for group, model in config.Config.model_fields.items()
        for name, field in model.annotation.model_fields.items()
    ],
)
def test_every_setting_is_described_in_sentences(field):
    assert field.description[0].isupper() or field.description[0] == "`"
    assert field.description.endswith(".")
