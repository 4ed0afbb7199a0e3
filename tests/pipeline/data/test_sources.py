import gzip
import shutil
from pathlib import Path

import pytest

from pipeline import config
from pipeline.data import download, idx, sources
from pipeline.data.kinds import OfficialFiles, OwnRecords, Sample, TensorFlowDatasets
from pipeline.errors import UserError


def no_progress(name, received, total):
    pass


def unreachable(directory, progress):
    raise download.UnreachableError("nobody answers")


def forbidden(directory, progress):
    pytest.fail("something is downloaded")


def put_official(directory: Path) -> Path:
    directory.mkdir(parents=True)
    for file in idx.OFFICIAL_FILES:
        (directory / file.name).touch()
    return directory


@pytest.fixture
def project(tmp_path):
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"


@pytest.fixture
def find(project):
    """Looks from an empty checkout; settings by keyword."""

    def find(environment=None, fetch=forbidden, progress=no_progress, **settings):
        return sources.find(config.Dataset(**settings), progress, environment or {}, project, fetch)

    return find


def test_places_are_looked_at_in_the_documented_order(find, project, tmp_path):
    by_flag, by_variable = put_official(tmp_path / "flag"), put_official(tmp_path / "variable")
    data, shared = project / "data", tmp_path / "shared" / "fashion-mnist"
    put_official(data), put_official(shared)
    environment = {"FASHION_MNIST_DIR": str(by_variable)}
    assert find(environment, dir=by_flag) == OfficialFiles(by_flag)
    assert find(environment) == OfficialFiles(by_variable)
    assert find() == OfficialFiles(data)
    for file in data.iterdir():
        file.unlink()
    assert find() == OfficialFiles(shared)


def test_data_that_lacks_a_file_is_passed_over(find, project, tmp_path):
    data = put_official(project / "data")
    shared = put_official(tmp_path / "shared" / "fashion-mnist")
    (data / idx.OFFICIAL_FILES[-1].name).unlink()
    assert find() == OfficialFiles(shared)


@pytest.mark.parametrize("name", ["auto", "fashion_mnist"])
def test_what_is_nowhere_is_downloaded_into_data_in_the_checkout(find, project, name):
    told = []

    def fetch(directory, progress):
        put_official(directory)
        progress("a file", 1, 2)

    found = find(name=name, fetch=fetch, progress=lambda *values: told.append(values))
    assert found == OfficialFiles(project / "data")
    assert told == [("a file", 1, 2)]


def test_a_download_completes_data_that_lacks_a_file(find, project):
    data = put_official(project / "data")
    missing = data / idx.OFFICIAL_FILES[0].name
    missing.unlink()
    assert find(fetch=lambda directory, _: (directory / missing.name).touch()).directory == data
    assert missing.exists()


def test_auto_falls_back_to_the_sample_where_nothing_is_reachable(find):
    found = find(name="auto", fetch=unreachable)
    assert found == Sample()
    assert found.fallback_reason == "nobody answers"


def test_auto_does_not_fall_back_for_another_reason(find):
    def full(directory, progress):
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        find(name="auto", fetch=full)


def test_fashion_mnist_never_falls_back(find):
    with pytest.raises(download.UnreachableError, match="nobody answers"):
        find(name="fashion_mnist", fetch=unreachable)


def test_the_sample_by_name_is_taken_whatever_there_is(find, project, tmp_path):
    put_official(project / "data")
    named = put_official(tmp_path / "named")
    found = find({"FASHION_MNIST_DIR": str(named)}, name="sample", dir=named)
    assert found == Sample()
    assert found.fallback_reason is None


@pytest.mark.parametrize("name", ["auto", "fashion_mnist"])
@pytest.mark.parametrize("by", ["flag", "variable"])
@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("none", "There is no directory {}: name one that has the data with --data-dir"),
        ("file", "{} is a file, and data is read from a directory: name one with --data-dir"),
        ("empty", "{} has no data: it needs the four official files"),
        ("other", "{} has no data: it needs the four official files"),
    ],
)
def test_a_named_directory_that_is_wrong_never_falls_back(
    find, project, tmp_path, refusal, name, by, place, sentence
):
    put_official(project / "data")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.png").touch()
    named = tmp_path / place
    with refusal(sentence.format(named)):
        if by == "flag":
            find(name=name, dir=named)
        else:
            find({"FASHION_MNIST_DIR": str(named)}, name=name)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/data", "loop"])
def test_a_named_directory_that_leads_nowhere_is_refused(
    find, tmp_path, refusal, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with refusal("There is no directory", name, "--data-dir"):
        find(dir=Path(name))


@pytest.mark.parametrize("name", ["~/named", "named"])
def test_a_named_directory_may_be_below_the_home_or_the_working_directory(
    find, tmp_path, monkeypatch, name
):
    named = put_official(tmp_path / "named")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find(dir=Path(name)) == OfficialFiles(named)


def test_what_a_directory_needs_is_said_in_full(find, tmp_path, refusal):
    names = ", ".join(file.name for file in idx.OFFICIAL_FILES)
    with refusal(names, "TensorFlow Datasets", "TFRecords named mine/{SPLIT}.tfrecord"):
        find(dir=tmp_path, pattern="mine/{SPLIT}.tfrecord")


def test_a_directory_that_cannot_be_looked_into_is_refused(find, tmp_path, refusal, monkeypatch):
    # As os.stat answers to everyone but root below a directory without permissions.
    def exists(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", exists)
        with refusal(tmp_path, " can't be read: Permission denied; mend its permissions"):
            find(dir=tmp_path)


def test_a_directory_that_cannot_even_be_asked_about_is_refused(find, tmp_path, refusal):
    # Permissions do not stop root, and a name too long stops everyone in the same place.
    named = tmp_path / ("x" * 300)
    with refusal(f"{named} can't be read: File name too long"):
        find(dir=named)


@pytest.mark.parametrize("number", range(4))
def test_one_official_file_makes_a_named_directory_official(find, tmp_path, number):
    # So that reading it can say which files are missing.
    (tmp_path / idx.OFFICIAL_FILES[number].name).touch()
    assert find(dir=tmp_path) == OfficialFiles(tmp_path)


def test_an_empty_variable_names_no_directory(find, project):
    data = put_official(project / "data")
    assert find({"FASHION_MNIST_DIR": ""}).directory == data


@pytest.mark.parametrize("below", [".", "3.0.1", "fashion_mnist/3.0.1"])
def test_tensorflow_datasets_is_found_at_and_below_a_named_directory(find, tmp_path, below):
    version = tmp_path / below
    version.mkdir(parents=True, exist_ok=True)
    (version / "dataset_info.json").touch()
    assert find(dir=tmp_path) == TensorFlowDatasets(version)


def test_the_newest_version_of_tensorflow_datasets_is_taken(find, tmp_path):
    for version in ("2.0.0", "3.0.1", "3.0.0"):
        (tmp_path / "fashion_mnist" / version).mkdir(parents=True)
        (tmp_path / "fashion_mnist" / version / "dataset_info.json").touch()
    assert find(dir=tmp_path).directory == tmp_path / "fashion_mnist" / "3.0.1"


def test_another_dataset_of_tensorflow_datasets_is_not_taken(find, tmp_path, refusal):
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    (tmp_path / "mnist" / "3.0.1" / "dataset_info.json").touch()
    with refusal(f"{tmp_path} has no data"):
        find(dir=tmp_path)


def put_records(directory: Path, pattern: str) -> Path:
    for split in ("train", "eval", "test"):
        file = directory / pattern.format(SPLIT=split)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return directory


@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_one_split_makes_a_named_directory_one_of_records_that_lacks_the_others(
    find, tmp_path, refusal, split
):
    pattern = "span-3/version-2/{SPLIT}-00000-of-00001"
    put_records(tmp_path, pattern)
    assert find(dir=tmp_path) == OwnRecords(tmp_path)
    for other in {"train", "eval", "test"} - {split}:
        (tmp_path / pattern.format(SPLIT=other)).unlink()
    with refusal(f"{tmp_path} has no", f"only {split}: write TFRecords named span-3/version-2/"):
        find(dir=tmp_path)


def test_records_may_lie_by_a_pattern_of_ones_own(find, tmp_path):
    put_records(tmp_path, "{SPLIT}.tfrecord")
    assert find(dir=tmp_path, pattern="{SPLIT}.tfrecord") == OwnRecords(tmp_path)


@pytest.mark.parametrize("name", ["a[1]", "{a}", "what?", "a*", "a^b", "a|b", "$a"])
def test_records_in_a_directory_that_would_be_a_pattern_are_refused(find, tmp_path, refusal, name):
    directory = put_records(tmp_path / name, "span-1/version-1/{SPLIT}-0")
    with refusal(f"{directory} has ", "rename it, or name another directory with --data-dir"):
        find(dir=directory)


@pytest.mark.parametrize("name", ["auto", "fashion_mnist", "sample"])
def test_a_pattern_that_is_none_is_refused_whatever_the_data(find, project, refusal, name):
    put_official(project / "data")
    with refusal("dataset.pattern = '*.gz' is not allowed: without {SPLIT}"):
        find(name=name, pattern="*.gz")


@pytest.mark.parametrize("below", ["fashion-mnist", "data/fashion", "FashionMNIST/raw"])
@pytest.mark.parametrize("unpacked", [False, True])
def test_official_files_are_found_below_a_named_directory(
    find, tmp_path, small_official, below, unpacked
):
    place = tmp_path / "named" / below
    shutil.copytree(small_official, place)
    if unpacked:
        unpack(place)
    # MNIST has files of the same names.
    other = put_official(tmp_path / "named" / "MNIST" / "raw")
    assert find(dir=tmp_path / "named") == OfficialFiles(place)
    assert find(dir=other) == OfficialFiles(other)


def unpack(directory: Path) -> None:
    for file in directory.iterdir():
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()


def test_files_with_official_names_alone_are_not_taken_from_below(find, tmp_path, refusal):
    put_official(tmp_path / "named" / "MNIST" / "raw")
    with refusal(f"{tmp_path / 'named'} has no data", "and it has 1 directory."):
        find(dir=tmp_path / "named")


def test_official_files_three_levels_below_are_not_looked_for(find, tmp_path, small_official):
    shutil.copytree(small_official, tmp_path / "a" / "b" / "c" / "d")
    with pytest.raises(UserError, match="has no data"):
        find(dir=tmp_path / "a")


def test_a_dataset_without_official_files_is_asked_for_or_replaced_by_the_sample(
    find, project, tmp_path, refusal, monkeypatch
):
    monkeypatch.setattr(idx, "OFFICIAL_FILES", ())
    (project / "data").mkdir()
    found = find(fetch=download.download_missing)
    assert found == Sample()
    assert "can't be downloaded" in found.fallback_reason
    with refusal("can't be downloaded", "--data-dir"):
        find(name="fashion_mnist", fetch=download.download_missing)
    with refusal(f"{tmp_path} has no data: it needs a fashion_mnist prepared by"):
        find(dir=tmp_path)
