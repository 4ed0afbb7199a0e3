from pipeline import local_runner
from pipeline.data import sources
from pipeline.data.kinds import Sample
from pipeline.engine.protocol import DataEvent, Finished, NodeEvent, StepEvent
from pipeline.runs.run_result import Failure


def test_events_are_shown_as_they_come(run, worker):
    worker.events = [
        StepEvent(text="loading TFX"),
        DataEvent(examples={"train": 4000}),
        NodeEvent(node="Trainer", state="running"),
    ]
    lines = run()[1].splitlines()
    shown = ["loading TFX …", "examples: 4,000 train", "Trainer: running"]
    assert [line for line in lines if line in shown] == shown


def test_the_sample_is_announced_in_a_banner_with_the_place_it_stays_in(run, tmp_path):
    out = run()[1]
    words = " ".join(out.replace("│", " ").split())
    assert "SAMPLE DATA" in out
    assert "These are generated sample images, not Fashion-MNIST." in words
    assert "nothing reaches the real serving directory" in words
    place = "".join(str(tmp_path / "root" / "sample").split())
    assert place in "".join(out.replace("│", "").split())
    assert "TinyVGG on generated sample images" in out


def test_the_banner_says_why_it_is_the_sample_where_nobody_asked_for_it(run, monkeypatch):
    source = Sample(fallback_reason="The [moon] is not reachable.")
    monkeypatch.setattr(sources, "find", lambda settings, progress: source)
    out = run()[1]
    assert "not Fashion-MNIST" in out
    assert "The [moon] is not reachable." in out


def test_real_data_has_no_banner(found, tmp_path, capsys):
    assert local_runner.main(["--root", str(tmp_path / "root")]) == 0
    out = capsys.readouterr().out
    assert f"TinyVGG on the official files in {found.directory}\n" in out
    assert "sample" not in out.replace(str(tmp_path), "").lower()


def test_words_that_look_like_markup_or_emojis_are_shown_as_they_are(worker, capsys, tmp_path):
    # No brackets, which a root can't have.
    root = tmp_path / ":100:"
    worker.outcome = Finished(failure=Failure(cause="ValueError: model.py:100: [/red] is odd"))
    local_runner.main(["--root", str(root), "--dataset", "sample"])
    out = capsys.readouterr().out
    assert "ValueError: model.py:100: [/red] is odd" in out
    assert out.count(f"log: {root}") == 2


def test_the_log_is_echoed_on_stderr_if_asked(run, worker):
    run("--verbose")
    run()
    assert [one.echo is not None for one in worker.surroundings] == [True, False]
