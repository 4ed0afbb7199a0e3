import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import config
from pipeline.errors import UserError
from pipeline.workspace import check_no_wildcards, is_locked, lock, make_writable, workspace


def test_everything_but_the_served_models_lies_below_the_root(tmp_path):
    place = workspace(config.Paths(root=tmp_path, serving_dir=Path("/s")), "fashion_mnist")
    assert place.root == tmp_path
    assert place.artifacts == tmp_path / "artifacts"
    assert place.metadata == tmp_path / "metadata.db"
    assert place.records == tmp_path / "records"
    assert place.run_dir("r1") == tmp_path / "runs" / "r1"
    assert place.serving_dir == Path("/s")
    assert place.serving_model_dir == Path("/s/tinyvgg")


def test_models_are_served_from_below_the_root_if_no_directory_is_named(tmp_path):
    place = workspace(config.Paths(root=tmp_path), "fashion_mnist")
    assert place.serving_model_dir == tmp_path / "serving" / "tinyvgg"


@pytest.mark.parametrize("serving_dir", [None, Path("/served")])
def test_the_sample_shares_no_name_root_or_serving_directory_with_the_real_data(
    tmp_path, serving_dir
):
    paths = config.Paths(root=tmp_path, serving_dir=serving_dir)
    real, sample = workspace(paths, "fashion_mnist"), workspace(paths, "sample")
    assert sample.pipeline_name != real.pipeline_name
    assert sample.root == tmp_path / "sample"
    assert sample.serving_dir == tmp_path / "sample" / "serving"
    assert sample.metadata != real.metadata
    assert sample.records != real.records


def test_paths_are_absolute_from_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = workspace(config.Paths(root=Path("r"), serving_dir=Path("s")), "fashion_mnist")
    assert (place.root, place.serving_dir) == (tmp_path / "r", tmp_path / "s")


def test_a_root_is_the_same_by_whatever_way_it_is_reached(tmp_path):
    # TFX finds what it made by its path.
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for root in (tmp_path / "link", tmp_path / "real" / ".." / "real"):
        place = workspace(config.Paths(root=root), "fashion_mnist")
        assert place.root == (tmp_path / "real").resolve()


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    place = workspace(config.Paths(root=Path("~/r"), serving_dir=Path("~/s")), "fashion_mnist")
    assert (place.root, place.serving_dir) == (tmp_path / "r", tmp_path / "s")


def test_a_tilde_of_nobody_is_a_name_like_any_other(tmp_path, monkeypatch):
    # As in a shell.
    monkeypatch.chdir(tmp_path)
    place = workspace(config.Paths(root=Path("~no-such-user/r")), "fashion_mnist")
    assert place.root == tmp_path / "~no-such-user" / "r"


def test_a_directory_is_made_with_its_parents_and_left_empty(tmp_path):
    make_writable(tmp_path / "a" / "b", "--root")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_a_directory_holds_stays(tmp_path):
    (tmp_path / "file").write_text("kept")
    make_writable(tmp_path, "--root")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_directory_that_cannot_be_is_refused_with_the_flag_that_names_another(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        make_writable(tmp_path / name, "--serving-dir")
    assert str(caught.value).startswith(f"{tmp_path / name} can't be written: ")
    assert str(caught.value).endswith("name another directory with --serving-dir.")


def test_a_root_is_held_by_one_run_at_a_time(tmp_path):
    with lock(tmp_path):
        with pytest.raises(UserError) as caught, lock(tmp_path):
            pass
        assert str(tmp_path) in str(caught.value)
        assert "--root" in str(caught.value)


def test_roots_are_held_apart(tmp_path):
    (tmp_path / "sample").mkdir()
    with lock(tmp_path), lock(tmp_path / "sample"):
        pass


def test_a_root_is_free_again_after_a_run_even_one_that_failed(tmp_path):
    with pytest.raises(ZeroDivisionError), lock(tmp_path):
        raise ZeroDivisionError
    with lock(tmp_path):
        pass


def test_a_root_is_free_again_when_the_process_is_killed(tmp_path):
    program = (
        "import pathlib, sys, time\n"
        "from pipeline import workspace\n"
        "with workspace.lock(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    checkout = Path(config.__file__).parents[1]
    with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(UserError), lock(tmp_path):
                pass
        finally:
            process.kill()
    with lock(tmp_path):
        pass


def test_a_root_is_seen_to_be_in_use_without_being_taken(tmp_path):
    assert not is_locked(tmp_path)
    assert not (tmp_path / ".lock").exists()
    with lock(tmp_path):
        assert is_locked(tmp_path)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    with lock(tmp_path):
        pass


@pytest.mark.parametrize("name", ["a[1]", "{a}", "what?", "a*", "a\\b"])
def test_a_path_that_would_be_a_pattern_is_refused(tmp_path, refusal, name):
    with refusal(f"{tmp_path / name} has ", "name another directory with --root"):
        check_no_wildcards(tmp_path / name, "--root")


def test_other_marks_in_a_path_are_fine(tmp_path):
    check_no_wildcards(tmp_path / "a (b)+c, d=e~ü.f", "--root")
