import functools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import config, dataset
from pipeline.data import demo_spans, download, idx, sources
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


def test_demo_spans_says_what_is_in_them_and_how_each_arrives(
    command, make_official, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(demo_spans, "SIZES", {"train": 50, "eval": 10, "test": 10})
    files = make_official([*range(10)] * 600, [*range(10)] * 10)
    assert command("demo-spans", tmp_path / "demo", "--data-dir", files) == 0
    screen = capsys.readouterr().out
    assert "span 3: inverted images, dark on white\n" in screen
    [run] = [line.strip() for line in screen.splitlines() if "local_runner" in line]
    assert run.endswith(f"--data-dir {tmp_path}/demo/spans --root {tmp_path}/demo/output")
    moves = [line.split() for line in screen.splitlines() if line.strip().startswith("mv ")]
    for move in moves:
        subprocess.run(move, check=True)
    arrived = sorted(path.name for path in (tmp_path / "demo" / "spans").iterdir())
    assert arrived == ["span-1", "span-2", "span-3", "span-4"]


def test_demo_spans_of_other_data_are_refused(command, own, tmp_path, refusal):
    with refusal("drawn from Fashion-MNIST itself", f"the TFRecords in {own.directory}"):
        command("demo-spans", tmp_path / "demo", "--data-dir", own.directory)
    assert not (tmp_path / "demo").exists()


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
def test_the_command_asks_for_one_of_its_commands(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        dataset.main(arguments)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    known = "there are prepare, info, quarantine, import, demo-spans."
    assert "COMMAND is missing" in lines[0] or known in lines[0]


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit, match="0"):
        dataset.main(["--help"])
    screen = capsys.readouterr().out
    assert "prepare" in screen
    assert "info" in screen
    assert "import" in screen


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


@pytest.fixture
def spoiled(own, write_records):
    """TFRecords of one's own, of which five of 100 are bad, and the flags that set them aside."""
    file = own.directory / "span-2" / "version-3" / "test-[more].gz"
    write_records(file, [*[3] * 88, {"label": 1}, {"label": 2}, {"image": b"GIF89a", "label": 3}])
    write_records(file.with_name("eval-more.gz"), [3, 4, {"label": 2}])
    return own, ["--set", "dataset.bad_examples=set_aside", "--set", "dataset.max_bad_fraction=0.5"]


def test_prepare_says_what_it_set_aside(command, spoiled, tmp_path, capsys):
    own, flags = spoiled
    assert command("prepare", "--data-dir", own.directory, *flags) == 0
    [directory] = (tmp_path / "root" / "records").iterdir()
    first, *_, figures, last = capsys.readouterr().out.splitlines()
    assert first == f"{directory}: fashion_mnist, from the TFRecords in {own.directory}"
    assert figures.split() == ["in", "all", "2", "4", "90"]
    listing = f"`python -m pipeline.dataset quarantine --root {tmp_path / 'root'}` lists them."
    assert last == f"4 of 100 examples were set aside, not being what examples must be: {listing}"
    assert command("prepare", "--data-dir", own.directory, *flags, "--json") == 0
    assert json.loads(capsys.readouterr().out)["set_aside"] == 4


def test_info_says_what_would_be_set_aside_and_writes_nothing(
    command, spoiled, tmp_path, capsys, refusal
):
    own, flags = spoiled
    assert command("info", "--data-dir", own.directory, *flags) == 0
    *_, figures, last = (screen := capsys.readouterr().out).splitlines()
    assert figures.split() == ["in", "all", "2", "4", "90"]
    assert last == "4 more would be set aside, not being what examples must be."
    assert "every example is what it must be" not in screen
    assert command("info", "--data-dir", own.directory, *flags, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verified"], found["set_aside"]) == (False, 4)
    assert not (tmp_path / "root").exists()
    with refusal("4 of 100 examples are not what examples must be"):
        command("info", "--data-dir", own.directory)


def test_quarantine_lists_what_was_set_aside_by_reason(
    command, spoiled, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    own, flags = spoiled
    command("prepare", "--data-dir", own.directory, *flags)
    [directory] = (tmp_path / "root" / "records").iterdir()
    capsys.readouterr()
    assert command("quarantine") == 0
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first == f"{directory}: 4 of 100 examples of {own.directory}"
    assert [re.split("  +", row.strip()) for row in rows] == [
        [
            "nothing (there is label) as 'image' instead of a bytes_list",
            *("3", "record 3 of span-2/version-3/eval-more.gz"),
        ],
        ["a GIF as 'image'", "1", "record 91 of span-2/version-3/test-[more].gz"],
    ]


def test_quarantine_lists_what_was_set_aside_as_one_object(command, spoiled, tmp_path, capsys):
    own, flags = spoiled
    command("prepare", "--data-dir", own.directory, *flags)
    [directory] = (tmp_path / "root" / "records").iterdir()
    capsys.readouterr()
    assert command("quarantine", "--json") == 0
    [found] = json.loads(capsys.readouterr().out)["quarantines"]
    assert (found["directory"], found["source"]) == (str(directory), str(own.directory))
    assert found["of"] == 100
    assert Path(found["records"]).is_file()
    assert found["examples"][-1] == {
        "split": "test",
        "file": str(own.directory / "span-2/version-3/test-[more].gz"),
        "record": 91,
        "reason": "a GIF as 'image'",
    }


def test_quarantine_says_that_there_is_nothing(command, tmp_path, capsys):
    assert command("quarantine") == 0
    root = tmp_path / "root"
    assert capsys.readouterr().out == f"Nothing was set aside in {root / 'records'}.\n"
    assert command("quarantine", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"quarantines": []}
    assert not root.exists()


def test_quarantine_answers_without_tensorflow(tmp_path):
    program = f"""
import sys
from pipeline import dataset
dataset.main(["quarantine", "--root", {str(tmp_path)!r}, "--json"])
print("tensorflow" in sys.modules)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "False"


@pytest.fixture
def arrays(tmp_path):
    """An npz of seventy images, seven of each class."""
    images = np.random.default_rng(0).integers(0, 256, (70, 28, 28), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(70) % 10)
    return tmp_path / "mine.npz"


def test_import_says_what_it_made_where_and_how_to_train_on_it(arrays, tmp_path, capsys):
    directory = tmp_path / "my records"
    assert dataset.main(["import", str(arrays), str(directory)]) == 0
    screen = capsys.readouterr().out
    assert f"{directory}: fashion_mnist, from npz in {arrays}\n" in screen
    assert "drawn from train, stratified by class, with seed 0: eval and test\n" in screen
    figures = table(screen)
    assert figures["class"] == ["train", "eval", "test"]
    assert figures["in all"] == ["55", "5", "10"]
    command = screen.splitlines()[-1].removeprefix("To train on it: ")
    program, _, module, flag, place = shlex.split(command)
    assert (program, module) == ("python", "pipeline.local_runner")
    found = sources.find(config.Dataset(dir=Path(place)), lambda *_: None)
    assert (flag, found.origin) == ("--data-dir", f"the TFRecords in {directory}")


@pytest.mark.parametrize("before", [[], ["--json"]])
def test_import_says_what_it_made_as_one_object(arrays, tmp_path, before, capsys):
    numbers = ["--seed", "3", "--eval-examples", "20", "--test-examples=30"]
    behind = [*numbers, *([] if before else ["--json"])]
    code = dataset.main([*before, "import", str(arrays), str(tmp_path / "records"), *behind])
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (code, found["dataset"], found["seed"]) == (0, "fashion_mnist", 3)
    assert found["directory"] == str(tmp_path / "records")
    assert found["drawn"] == ["eval", "test"]
    assert {name: sum(counts.values()) for name, counts in found["examples"].items()} == {
        "train": 20,
        "eval": 20,
        "test": 30,
    }


def test_import_takes_the_seed_of_the_settings_where_none_is_given(arrays, tmp_path, capsys):
    for number, arguments in enumerate((["--set", "dataset.seed=4"], [])):
        argv = [*arguments, "import", str(arrays), str(tmp_path / str(number)), "--json"]
        assert dataset.main(argv) == 0
    seeds = [json.loads(line)["seed"] for line in capsys.readouterr().out.splitlines()]
    assert seeds == [4, 0]


def test_import_finds_a_file_by_a_link_as_in_a_cache_of_blobs(arrays, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    arrays.rename(tmp_path / "0a1b2c")
    arrays.symlink_to(tmp_path / "0a1b2c")
    assert dataset.main(["import", "~/mine.npz", "~/records"]) == 0
    assert (tmp_path / "records" / "span-1" / "version-1").is_dir()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "SOURCE, DIR is missing"),
        (["a"], "DIR is missing"),
        (["a", "b", "--seed", "x"], "--seed takes a whole number, and got 'x'"),
        (["a", "b", "--test-examples", "0"], "--test-examples takes a whole number from 1 on"),
        (["a", "b", "--root", "c"], "There is no flag --root"),
    ],
)
def test_import_refuses_wrong_use_in_a_sentence(arguments, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        dataset.main(["import", *arguments])
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_import_refuses_a_seed_below_0(arrays, tmp_path, refusal):
    with refusal("dataset.seed = -1 is not allowed"):
        dataset.main(["import", str(arrays), str(tmp_path / "records"), "--seed", "-1"])
    assert not (tmp_path / "records").exists()


def test_help_of_import_answers_without_what_reads_the_forms():
    slow = ("tensorflow", "pandas", "pyarrow")
    program = f"""
import contextlib, sys
from pipeline import dataset
with contextlib.suppress(SystemExit):
    dataset.main(["import", "--help"])
print(*(name for name in {slow} if name in sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *screen, loaded = ended.stdout.splitlines()
    assert "SOURCE is one of these:" in screen
    assert loaded == ""
