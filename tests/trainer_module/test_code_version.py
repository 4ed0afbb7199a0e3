import subprocess

import pytest

from trainer_module.code_version import find_code_version


@pytest.fixture
def checkout(tmp_path):
    """A repository with one committed file, `kept`."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "kept").write_text("as committed")
    git(tmp_path, "add", "kept")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "one")
    return tmp_path


def git(directory, *arguments):
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_named_and_an_edited_tracked_file_is_told(checkout):
    version = find_code_version(checkout)
    assert version.commit == git(checkout, "rev-parse", "HEAD")
    assert version.clean
    (checkout / "stray").touch()
    assert find_code_version(checkout).clean
    (checkout / "kept").write_text("edited")
    assert not find_code_version(checkout).clean


def test_an_installed_package_in_somebody_elses_repository_has_no_commit(checkout):
    inside = checkout / "site-packages"
    inside.mkdir()
    assert find_code_version(inside) is None


def test_a_repository_without_a_commit_has_no_version(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert find_code_version(tmp_path) is None


def test_without_git_there_is_no_version(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert find_code_version(checkout) is None
