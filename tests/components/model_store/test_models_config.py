"""Held against protobuf's own parser, over many ways in which a file can be written."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components.model_store import files, models_config, textproto
from components.model_store.models_config import Entry, ForeignFormError, ModelsConfig

CHECKOUT = Path(__file__).resolve().parents[3]

ENTRY = Entry("tinyvgg", "/models/tinyvgg", [1, 2, 3])


def read(text):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def models(text):
    return {model.name: model for model in read(text).model_config_list.config}


def expected(entry):
    """The entry as protobuf has it."""
    return read(f"model_config_list {{ config {{ {' '.join(entry.fields())} }} }}")


def own(text, name=ENTRY.name):
    """Our entry, but for what is not ours in it."""
    model = models(text)[name]
    model.ClearField("logging_config")
    return model


def test_file_that_is_made_says_all_of_it():
    text = models_config.update("", ENTRY)
    assert read(text) == expected(ENTRY)
    model = models(text)["tinyvgg"]
    assert model.model_version_policy.latest.num_versions == 2
    assert dict(model.version_labels) == {"live": 3, "previous": 2}


def test_pinned_version_is_loaded_alone():
    entry = Entry("tinyvgg", "/m", [1, 2, 3], pinned=1)
    model = models(models_config.update("", entry))["tinyvgg"]
    assert list(model.model_version_policy.specific.versions) == [1]
    assert dict(model.version_labels) == {"live": 1}


@pytest.mark.parametrize("names", [[1, 2, 3, 9], [1, 2, 3, 7, 8]])
def test_names_that_are_no_versions_are_not_loaded(names):
    entry = Entry("tinyvgg", "/m", [1, 2, 3], names=names)
    model = models(models_config.update("", entry))["tinyvgg"]
    assert sorted(model.model_version_policy.specific.versions) == [2, 3]


def test_name_that_is_no_version_and_older_matters_to_nobody():
    entry = Entry("tinyvgg", "/m", [2, 3], names=[1, 2, 3])
    model = models(models_config.update("", entry))["tinyvgg"]
    assert model.model_version_policy.latest.num_versions == 2


@pytest.mark.parametrize("name", ['a "quoted" one', "back\\slash", "é", "two\nlines"])
def test_any_name_and_path_is_read_back(name):
    entry = Entry(name, f"/srv/{name}", [1])
    text = models_config.update("", entry)
    assert models(text)[name].base_path == f"/srv/{name}"
    assert models_config.update(text, entry) == text


HAND_WRITTEN = """\
# Of the other team; ask before you touch it.

model_config_list: <   # "{ braces }" in a comment
  config: {
    name : 'theirs'   # } not the end
    base_path: "/models/{theirs}"; model_platform: "tensorflow",
    model_version_policy { specific { versions: [4, 5] } }
  }

  config {
    # Ours: see the wiki.
    name: "tiny" 'vgg'
    base_path: "/old/place"  # moved in May
    model_version_policy {
      # Two are enough.
      latest { num_versions: 7 }
    }
    logging_config { sampling_config { sampling_rate: 0.5 } }  # wanted by ops
    version_labels { key: 'canary', value: 1 }
    version_labels { key: "live"; value: 1 };
    version_labels { key: "old" value: 0 }  # the last
  }
>
# The end.
"""


def test_others_entries_fields_and_comments_stay():
    text = models_config.update(HAND_WRITTEN, ENTRY)
    assert own(text) == expected(ENTRY).model_config_list.config[0]
    assert models(text)["theirs"] == models(HAND_WRITTEN)["theirs"]
    assert models(text)["tinyvgg"].logging_config.sampling_config.sampling_rate == 0.5
    assert sorted(textproto.comments(text)) == sorted(textproto.comments(HAND_WRITTEN))
    before = HAND_WRITTEN.index('    base_path: "/old')
    assert text[:before] == HAND_WRITTEN[:before]
    assert text.endswith(">\n# The end.\n")


def test_what_says_so_already_is_not_touched():
    text = HAND_WRITTEN
    for written, wanted in (
        ('"/old/place"', '"/models/tinyvgg"'),
        ("num_versions: 7", "num_versions: 2 "),
        ("key: 'canary', value: 1", "key: 'previous', value: 2"),
        ('key: "live"; value: 1', 'value: 3 key: "live"'),
        ('    version_labels { key: "old" value: 0 }', "    model_platform: 'tensorflow'"),
    ):
        text = text.replace(written, wanted)
    assert models_config.update(text, ENTRY) == text


def test_label_that_goes_takes_its_line_with_it():
    one = Entry("tinyvgg", "/models/tinyvgg", [1])
    two = Entry("tinyvgg", "/models/tinyvgg", [1, 2])
    text = models_config.update("", one)
    assert models_config.update(models_config.update(text, two), one) == text


def test_platform_goes_in_the_place_of_the_deprecated_type():
    text = models_config.update(
        'model_config_list { config { name: "tinyvgg" model_type: TENSORFLOW } }', ENTRY
    )
    assert models(text)["tinyvgg"].model_platform == "tensorflow"
    assert not models(text)["tinyvgg"].model_type


@pytest.mark.parametrize("text", ["", "# nothing yet", "# nothing yet\n", "\n\n", "#\r\n"])
def test_file_without_a_field_keeps_its_comments(text):
    new = models_config.update(text, ENTRY)
    assert new.startswith(text)
    assert read(new) == expected(ENTRY)


def test_line_ends_are_those_of_the_file():
    text = HAND_WRITTEN.replace("\n", "\r\n")
    new = models_config.update(text, ENTRY)
    assert new.count("\n") == new.count("\r\n")
    assert own(new) == expected(ENTRY).model_config_list.config[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("custom_model_config { type_url: 'x' }", "it has custom_model_config"),
        ("model_config_list { config { name: 'a' } } custom_model_config {}", "custom_model"),
        ("model_config_list {} model_config_list {}", "more than once"),
        ("model_config_list [{ config { name: 'a' } }]", "in another form"),
        ("model_config_list { config [{ name: 'a' }, { name: 'b' }] }", "in another form"),
        ("model_config_list { configs { name: 'a' } }", "in another form"),
        ("model_config_list { config: 5 }", "in another form"),
        ("model_config_list: 5", "in another form"),
        (
            "model_config_list { config { name: 'tinyvgg' } config { name: \"tinyvgg\" } }",
            "several entries for tinyvgg",
        ),
        ("model_config_list { config { name: 'a' name: 'tinyvgg' } }", "can't be told"),
        ("model_config_list { config { name: tinyvgg } }", "can't be told"),
        ("model_config_list { config { name: ['tinyvgg'] } }", "can't be told"),
        ("model_config_list { config { name: 'a' }", "line 1 is not in protobuf's text format"),
        ("{\n 'model': 'json' }", "line 1 is not"),
        ("a: b\nc: d: e", "line 2 is not"),
    ],
)
def test_form_in_which_the_place_of_our_entry_can_not_be_told_is_refused(text, reason):
    with pytest.raises(ForeignFormError, match=reason):
        models_config.update(text, ENTRY)


class Writer:
    """Writes files as people do: in the same meaning, never twice in the same form."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def gap(self):
        comment = f"# {self.draw.choice(['note', '}', '{', 'name: x', chr(34), chr(39)])} \n"
        return self.draw.choice(
            [" ", "  ", "\n", "\n    ", "\t", "\r\n", comment, f"\n  {comment}"]
        )

    def string(self, text):
        mark = self.draw.choice("\"'")
        if self.draw.random() < 0.3:
            return f"{mark}{text[:2]}{mark}{self.gap()}{mark}{text[2:]}{mark}"
        if self.draw.random() < 0.2:
            return mark + "".join(f"\\{ord(one):03o}" for one in text) + mark
        return f"{mark}{text}{mark}"

    def scalar(self, name, value):
        return f"{name}{self.draw.choice([':', ': ', ' : '])}{value}"

    def block(self, name, *fields):
        opening, closing = self.draw.choice(["{}", "<>"])
        inside = self.gap().join(field + self.draw.choice(["", "", ",", ";"]) for field in fields)
        colon = self.draw.choice(["", ":", " "])
        return f"{name}{colon}{opening}{self.gap()}{inside}{self.gap()}{closing}"

    def model(self, name):
        labels = [
            self.block(
                "version_labels",
                self.scalar("key", self.string(label)),
                self.scalar("value", self.draw.randrange(9)),
            )
            for label in self.draw.sample(["live", "previous", "canary"], self.draw.randrange(4))
        ]
        fields = [self.scalar("name", self.string(name))]
        optional = [
            self.scalar("base_path", self.string(f"/models/{name}")),
            self.scalar("model_platform", self.string("tensorflow")),
            self.block(
                "model_version_policy",
                self.block("latest", self.scalar("num_versions", self.draw.randrange(1, 4))),
            ),
            self.block(
                "logging_config",
                self.block("sampling_config", self.scalar("sampling_rate", 0.25)),
            ),
            *labels,
        ]
        fields += [one for one in optional if self.draw.random() < 0.7]
        self.draw.shuffle(fields)
        return self.block("config", *fields)

    def file(self, names):
        entries = [self.model(name) for name in names]
        return self.gap() + self.block("model_config_list", *entries) + self.gap()


@pytest.mark.parametrize("seed", range(60))
def test_any_hand_written_file_keeps_what_is_not_ours(seed):
    writer = Writer(seed)
    names = ["theirs", "other", "tinyvgg_2"][: writer.draw.randrange(4)]
    if writer.draw.random() < 0.6:
        names.insert(writer.draw.randrange(len(names) + 1), "tinyvgg")
    text = writer.file(names)
    before = models(text)
    for versions, pinned in (([1, 2, 3], None), ([4], None), ([1, 2], 1), ([], None)):
        entry = Entry("tinyvgg", "/srv/tinyvgg", versions, pinned)
        new = models_config.update(text, entry)
        after = models(new)
        assert own(new) == expected(entry).model_config_list.config[0]
        for name in {*before} - {"tinyvgg"}:
            assert after[name] == before[name]
        if "tinyvgg" in before:
            assert after["tinyvgg"].logging_config == before["tinyvgg"].logging_config
        assert list(after) == [*before, *({"tinyvgg"} - {*before})]
        assert sorted(textproto.comments(new)) == sorted(textproto.comments(text))
        for theirs in spans(text, but="tinyvgg"):
            assert theirs in new
        assert models_config.update(new, entry) == new
        text = new


def spans(text, but):
    """The text of the entries of others, byte for byte."""
    [root] = textproto.parse(text).fields
    return [
        text[model.start : model.end]
        for model in root.value.fields
        if [name.value for name in model.value.find("name")] != [but.encode()]
    ]


@pytest.mark.parametrize("seed", range(40))
def test_no_file_however_spoiled_is_an_exception_or_loses_a_byte_of_others(seed):
    writer = Writer(seed)
    text = writer.file(["theirs", "tinyvgg"])
    for _ in range(20):
        place = writer.draw.randrange(len(text))
        spoiled = (
            text[:place] + writer.draw.choice(["", "}", "'", "\\", "[", "#"]) + text[place + 1 :]
        )
        try:
            new = models_config.update(spoiled, ENTRY)
        except ForeignFormError:
            continue
        for theirs in spans(spoiled, but="tinyvgg"):
            assert theirs in new


# The files.


@pytest.fixture
def config(tmp_path):
    return ModelsConfig(tmp_path, "tinyvgg")


def test_bytes_that_are_no_text_stay_in_comments(config):
    config.path.write_bytes(b"# caf\xe9\nmodel_config_list {\n}\n")
    config.write(ENTRY, 1)
    assert config.path.read_bytes().startswith(b"# caf\xe9\nmodel_config_list {\n  config {")


def test_mode_of_the_file_and_a_link_to_it_stay(config, tmp_path):
    real = tmp_path / "elsewhere" / "models.config"
    real.parent.mkdir()
    real.write_text("model_config_list { }")
    real.chmod(0o664)
    config.path.symlink_to(real)
    before = os.umask(0o077)
    try:
        config.write(ENTRY, 1)
    finally:
        os.umask(before)
    assert config.path.is_symlink()
    assert "tinyvgg" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o664


def test_what_can_not_be_edited_stays_and_ours_goes_beside(config):
    config.path.write_text("custom_model_config { }")
    config.write(ENTRY, 1)
    assert config.path.read_text() == "custom_model_config { }"
    assert read(config.beside.read_text()) == expected(ENTRY)
    assert "it has custom_model_config" in config.obstacle(ENTRY)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("gone")])
def test_what_can_not_be_read_is_left_alone(config, make):
    make(config.path)
    config.write(ENTRY, 1)
    assert config.beside.exists()
    assert "models.config is left alone, as it " in config.obstacle(ENTRY)


def test_file_beside_follows_as_long_as_it_is_there(config):
    config.path.write_text("custom_model_config { }")
    config.write(ENTRY, 1)
    config.path.write_text("model_config_list { }")
    config.write(Entry("tinyvgg", "/m", [7]), 1)
    for path in (config.path, config.beside):
        assert models(path.read_text())["tinyvgg"].version_labels["live"] == 7
    assert config.obstacle(ENTRY) == ""


def test_file_that_says_so_already_is_not_written(config, monkeypatch):
    config.write(ENTRY, 1)
    monkeypatch.setattr(files, "write_atomically", lambda *_: pytest.fail("written"))
    config.write(ENTRY, 1)


WRITE_MANY = """
import sys
from pathlib import Path
from components.model_store.models_config import Entry, ModelsConfig

directory, name = Path(sys.argv[1]), sys.argv[2]
for number in range(1, 30):
    ModelsConfig(directory, name).write(Entry(name, f"/models/{name}", [number]), 30)
"""


def test_two_models_that_change_at_once_both_keep_their_entries(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITE_MANY, tmp_path, name], cwd=CHECKOUT)
        for name in ("one", "two", "three")
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = models((tmp_path / "models.config").read_text())
    assert {name: model.version_labels["live"] for name, model in found.items()} == {
        "one": 29,
        "two": 29,
        "three": 29,
    }
