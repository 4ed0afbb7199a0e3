import pytest

from components.serving_check.findings import Findings
from pipeline.serving_commands import checking

MEASURES = {
    "size_mb": 0.29,
    "load_s": 0.5,
    "memory_mb": 600.0,
    "difference": 0.0,
    "median_ms_1": 1.0,
    "p99_ms_1": 2.0,
    "median_ms_64": 10.0,
    "p99_ms_64": 20.0,
}


@pytest.fixture
def report(monkeypatch):
    """What the fresh process is to report."""
    reasons = []
    monkeypatch.setattr(checking, "_read_recorded", lambda *_: None)
    monkeypatch.setattr(checking, "_probe", lambda *_: Findings(reasons, MEASURES))
    return reasons


def test_check_of_a_sound_version_says_what_was_measured(store, run, report):
    code, lines = run("check", 2)
    assert code == 0
    assert lines[0] == "files     all 1 as they were pushed"
    assert "latency   10.0 ms, 99th percentile 20.0 ms, batch of 64" in lines
    assert lines[-1] == "Version 2 is sound."


def test_check_names_what_is_wrong_with_the_model(store, run, report):
    report.append("it [crashed]")
    code, lines = run("check", 2)
    assert code == 1
    assert "• it [crashed]" in lines
    assert lines[-1] == "Version 2 is not sound."


def test_check_does_not_load_what_was_tampered_with(store, run, monkeypatch):
    monkeypatch.setattr(checking, "_probe", lambda *_: pytest.fail("loaded it"))
    (store.directory / "2" / "saved_model.pb").write_text("tampered")
    assert run("check", 2) == (
        1,
        ["• saved_model.pb was changed", "Version 2 is not sound."],
    )


def test_check_also_looks_at_what_was_moved_aside(store, run, report):
    store.rollback()
    assert run("check", 3)[0] == 0


@pytest.mark.parametrize("program", [[], ["/no/such/server"]])
def test_check_by_a_server_that_is_not_here_says_so_before_anything_is_loaded(
    store, run, monkeypatch, tmp_path, refusal, program
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(checking, "_read_recorded", lambda *_: pytest.fail("loaded it"))
    with refusal("--server needs TensorFlow Serving, and there is no ", "leave the flag out"):
        run("check", 2, "--server", *program)
