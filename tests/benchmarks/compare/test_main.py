import signal
import sys

import pytest

from benchmarks.compare import __main__ as compare
from benchmarks.compare.figures import Measured, Run
from benchmarks.compare.process import FailedError, Usage
from benchmarks.compare.sides import SIDES, Side


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Puts in the place of each side one that notes its name and seed; the official files too."""
    taken = []
    for name, side in list(SIDES.items()):

        def measure(job, seed, name=name):
            taken.append((name, seed, job.training_epochs))
            return Run(Usage(10.0, 20.0, 1500.0))

        obstacle = "there is none" if "PyTorch" in side.title else None
        monkeypatch.setitem(
            SIDES, name, Side(side.title, measure, side.after, lambda job, why=obstacle: why)
        )
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte.gz").touch()
    before = signal.getsignal(signal.SIGTERM)
    yield taken
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def call(monkeypatch, tmp_path):
    def call(*arguments):
        given = ["compare", "--data-dir", tmp_path, "--scratch", tmp_path, *arguments]
        monkeypatch.setattr(sys, "argv", [str(one) for one in given])
        compare.main()

    return call


def names(taken) -> list[str]:
    return [name for name, _, _ in taken]


def test_the_sides_take_turns(measured, call, capsys):
    call("--rounds", "2", "--only", "keras", "textbook")
    assert names(measured) == ["textbook", "keras", "textbook", "keras"]
    told = capsys.readouterr()
    assert "| textbook pipeline | 2 | 10.0 | 20.0 | 1.50 |" in told.out
    assert told.err.splitlines()[-1] == "round 2 of 2: Keras loop"


def test_all_sides_are_measured_but_those_that_can_not_be_had(measured, call, capsys):
    call("--rounds", "1")
    assert {*names(measured)} == {*SIDES} - {"torch", "bfloat16", "preset"}
    assert "PyTorch loop: left out, as there is none" in capsys.readouterr().err


def test_a_side_brings_the_one_that_it_goes_on_from(measured, call):
    call("--rounds", "1", "--only", "training", "cached")
    assert names(measured) == ["ours", "lean", "cached", "training"]


def test_a_preset_is_measured_over_seeds_against_the_default_number_of_epochs(measured, call):
    call("--preset", "tiny", "--seeds", "3", "4")
    assert measured == [
        *(("keras", 3, 25), ("preset", 3, 25)),
        *(("keras", 4, 25), ("preset", 4, 25)),
    ]


def test_what_was_measured_is_kept_and_read_again(measured, call, tmp_path, capsys):
    file = tmp_path / "measured.json"
    call("--rounds", "1", "--only", "keras", "--json", file)
    first = capsys.readouterr().out
    call("--read", file)
    assert capsys.readouterr().out == first
    assert Measured.read(file).asked["epochs"] == 1
    assert len(measured) == 1


def test_a_preset_must_be_named(measured, call):
    with pytest.raises(SystemExit, match="needs --preset"):
        call("--only", "preset")


def test_what_was_measured_before_an_interrupt_is_kept(
    measured, call, monkeypatch, tmp_path, capsys
):
    def interrupt(job, seed):
        raise KeyboardInterrupt

    monkeypatch.setitem(SIDES, "keras", Side("Keras loop", interrupt))
    file = tmp_path / "measured.json"
    with pytest.raises(KeyboardInterrupt):
        call("--only", "textbook", "keras", "--json", file)
    call("--read", file)
    assert [line.partition(" | ")[0] for line in capsys.readouterr().out.splitlines()[2:]] == [
        "| textbook pipeline"
    ]


def test_a_side_that_fails_ends_it_all_with_its_words(measured, call, monkeypatch, tmp_path):
    def fail(job, seed):
        raise FailedError("it ended with 1:\nno space left")

    monkeypatch.setitem(SIDES, "keras", Side("Keras loop", fail))
    with pytest.raises(SystemExit, match="no space left"):
        call("--only", "keras")
    assert not list(tmp_path.glob("compare-*"))
