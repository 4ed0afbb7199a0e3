import pytest

from pipeline.engine import versions
from pipeline.engine.versions import choose_versions, remember_versions


@pytest.fixture
def file(tmp_path):
    return tmp_path / "versions.json"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(
        versions, "installed_versions", lambda: {"keras": "3.1", "tfx": "1.2", "numpy": "2.0"}
    )


def test_versions_are_those_installed_whatever_the_run_before_had(file):
    remember_versions(file, {"keras": "3.0"})
    assert choose_versions(file, keep=False) == ({"keras": "3.1", "tfx": "1.2", "numpy": "2.0"}, [])


def test_versions_of_the_run_before_are_kept_if_asked_and_that_is_told(file):
    remember_versions(file, {"keras": "3.0", "tfx": "1.2"})
    chosen, [note] = choose_versions(file, keep=True)
    assert chosen == {"keras": "3.0", "tfx": "1.2", "numpy": "2.0"}
    assert "may be from the cache" in note
    assert note.endswith("keras 3.0 (now 3.1)")


def test_kept_versions_stay_kept_from_run_to_run(file):
    remember_versions(file, {"keras": "3.0"})
    chosen, _ = choose_versions(file, keep=True)
    remember_versions(file, chosen)
    assert choose_versions(file, keep=True)[0]["keras"] == "3.0"


@pytest.mark.parametrize("text", [None, "{", ""])
def test_without_a_run_before_the_versions_are_those_installed(file, text):
    if text is not None:
        file.write_text(text)
    chosen, [note] = choose_versions(file, keep=True)
    assert chosen == {"keras": "3.1", "tfx": "1.2", "numpy": "2.0"}
    assert "none has changed" in note
