import functools
import json

import numpy as np
import pytest

from pipeline import dataset
from pipeline.data import download, idx, sources
from tests.pipeline.data.test_preparation import sums
from trainer_module import features


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Runs the command away from the data of this machine, and without the network."""

    def fetch(directory, progress):
        raise download.UnreachableError("nobody answers")

    find = functools.partial(sources.find, project=tmp_path / "checkout", fetch=fetch)
    monkeypatch.setattr(sources, "find", find)
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)

    def command(name, *arguments, root=tmp_path / "root"):
        return dataset.main([name, "--root", str(root), *map(str, arguments)])

    return command


def table(screen):
    """The figures of a table by the name in front of them."""
    rows = [line.rsplit(maxsplit=3) for line in screen.splitlines()]
    return {row[0].strip(): row[1:] for row in rows if len(row) == 4}


def test_prepare_says_what_it_made_where_and_of_what(command, official, tmp_path, capsys):
    code = command("prepare", "--data-dir", official.directory, "--set", "dataset.eval_examples=20")
    assert code == 0
    [directory] = (tmp_path / "root" / "records").iterdir()
    screen = capsys.readouterr().out
    assert (
        f"{directory}: fashion_mnist, from the official files in {official.directory}\n" in screen
    )
    figures = table(screen)
    assert figures["class"] == ["train", "eval", "test"]
    assert figures["Ankle boot"] == ["10", "2", "4"]
    assert figures["in all"] == ["100", "20", "40"]
    assert set(features.CLASS_NAMES) < set(figures)


def test_prepare_prints_a_path_as_it_is(command, small_sample, tmp_path, capsys):
    root = tmp_path / "runs [old]"
    assert command("prepare", "--dataset", "sample", root=root) == 0
    assert f"{root}/sample/records/sample-" in capsys.readouterr().out


def test_prepare_falls_back_to_the_sample_in_a_place_of_its_own(
    command, small_sample, tmp_path, capsys
):
    assert command("prepare") == 0
    [directory] = (tmp_path / "root" / "sample" / "records").iterdir()
    screen = capsys.readouterr().out
    assert f"{directory}: sample, from generated sample images\n" in screen
    assert table(screen)["in all"] == ["40", "20", "10"]
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["sample"]


def test_prepare_of_fashion_mnist_by_name_never_falls_back(command, tmp_path):
    with pytest.raises(download.UnreachableError, match="nobody answers"):
        command("prepare", "--dataset", "fashion_mnist")
    assert not (tmp_path / "root").exists()


def test_prepare_refuses_a_directory_without_data(command, tmp_path, refusal):
    with refusal(f"There is no directory {tmp_path / 'none'}", "--data-dir"):
        command("prepare", "--data-dir", tmp_path / "none")
    assert not (tmp_path / "root").exists()


def test_prepare_of_records_of_ones_own_counts_them_and_writes_nothing(
    command, own, tmp_path, capsys
):
    assert command("prepare", "--data-dir", own.directory) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"{own.directory}: fashion_mnist, from the TFRecords in {own.directory}"
    assert last.split() == ["in", "all", "2", "2", "2"]
    assert not (tmp_path / "root").exists()


def test_info_says_what_the_official_files_hold_and_writes_nothing(
    command, official, tmp_path, capsys
):
    before = sums(tmp_path)
    assert command("info", "--data-dir", official.directory) == 0
    first, second, *_ = (screen := capsys.readouterr().out).splitlines()
    assert first == f"fashion_mnist: the official files in {official.directory}"
    assert second == "The four files are the official ones, by their SHA-256."
    assert "training set" in screen
    rows = {tuple(line.rsplit(maxsplit=2)) for line in screen.splitlines()}
    assert {("Ankle boot", "12", "4"), ("in all", "120", "40")} <= {
        (name.strip(), *figures) for name, *figures in filter(None, rows)
    }
    assert sums(tmp_path) == before


def test_info_refuses_files_that_are_not_the_official_ones(command, official, refusal, write_idx):
    file = official.directory / idx.OFFICIAL_FILES[3].name
    write_idx(file, np.zeros(40, np.uint8))
    with refusal(file, "is not the official file", "fetch it anew"):
        command("info", "--data-dir", official.directory)


def test_info_downloads_nothing_and_tells_how_to(command, tmp_path, refusal):
    before = sums(tmp_path)
    with refusal("not on this machine", "python -m pipeline.dataset prepare", "--data-dir"):
        command("info")
    assert sums(tmp_path) == before


def test_info_names_the_sample_where_it_is_asked_for(command, capsys):
    assert command("info", "--dataset", "sample") == 0
    assert capsys.readouterr().out == "sample: generated sample images\n"


def test_info_checks_and_counts_records_of_ones_own(command, own, capsys, refusal):
    assert command("info", "--data-dir", own.directory) == 0
    first, second, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"fashion_mnist: the TFRecords in {own.directory}"
    assert second == "Every record is whole, and every example is what it must be."
    assert last.split() == ["in", "all", "2", "2", "2"]
    [file] = own.directory.glob("*/*/test-*")
    file.write_bytes(file.read_bytes()[:-9])
    with refusal(f"{file} is damaged"):
        command("info", "--data-dir", own.directory)


def test_info_names_tensorflow_datasets(command, tfds, capsys):
    assert command("info", "--data-dir", tfds.directory) == 0
    assert capsys.readouterr().out.startswith(
        f"fashion_mnist: TensorFlow Datasets in {tfds.directory}\n"
    )


def test_a_setting_that_is_not_allowed_is_refused(command, refusal):
    with refusal("dataset.eval_examples = 0 is not allowed"):
        command("prepare", "--set", "dataset.eval_examples=0")


@pytest.mark.parametrize("arguments", [[], ["frobnicate"]])
def test_the_command_asks_for_one_of_its_two_commands(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        dataset.main(arguments)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "COMMAND is missing" in lines[0] or "there are prepare, info" in lines[0]


def test_help_names_the_two_commands(capsys):
    with pytest.raises(SystemExit, match="0"):
        dataset.main(["--help"])
    screen = capsys.readouterr().out
    assert "prepare" in screen
    assert "info" in screen


@pytest.mark.usefixtures("small_sample")
def test_prepare_says_what_it_made_as_one_object(command, tmp_path, capsys):
    assert command("prepare", "--dataset", "sample", "--json") == 0
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["dataset"], found["origin"]) == ("sample", "generated sample images")
    assert found["directory"].startswith(str(tmp_path / "root" / "sample" / "records"))
    assert {name: sum(counts.values()) for name, counts in found["examples"].items()} == {
        "train": 40,
        "eval": 20,
        "test": 10,
    }


def test_info_says_what_there_is_as_one_object(command, official, capsys):
    assert command("info", "--data-dir", official.directory, "--json") == 0
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["dataset"], found["verified"]) == ("fashion_mnist", True)
    assert found["examples"]["test set"]["Ankle boot"] == 4
