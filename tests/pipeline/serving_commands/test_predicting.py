import numpy as np
import pytest
from PIL import Image

from pipeline.serving_commands import predicting
from trainer_module import served, signature_calls


def test_predict_warns_of_a_blank_picture_instead_of_naming_a_class(
    store, run, picture, blank, monkeypatch
):
    asked = []
    answer = [[0.0] * 9 + [1.0]]
    monkeypatch.setattr(predicting, "_classify", lambda _, images: asked.extend(images) or answer)
    _, lines = run("predict", blank, picture)
    assert lines[2:4] == [str(blank), "blank: nothing to classify"]
    assert lines[5] == str(picture)
    assert lines[6].split()[:3] == ["Ankle", "boot", "100.0%"]
    assert len(asked) == 1


def test_predict_loads_no_model_where_all_is_blank(store, run, blank, monkeypatch):
    monkeypatch.setattr(predicting, "_classify", lambda *_: pytest.fail("loaded it"))
    assert run("predict", blank, blank)[1].count("blank: nothing to classify") == 2


def test_predict_shows_and_saves_what_the_model_saw(store, run, picture, tmp_path, monkeypatch):
    seen = []
    answer = [[1.0] + [0.0] * 9]
    monkeypatch.setattr(predicting, "_classify", lambda _, images: seen.extend(images) or answer)
    _, lines = run("predict", picture, "--show", "--save", tmp_path / "seen")
    assert len([line for line in lines if "#" in line]) == 6
    saved = np.asarray(Image.open(tmp_path / "seen" / "a [b] picture-28x28.png"))
    np.testing.assert_array_equal(saved, seen[0])


def test_predict_names_the_classes_with_probabilities_and_a_bar(store, run, picture, monkeypatch):
    answers = [[0.6, 0.3, 0.09, 0.004, 0.003, 0.002, 0.001, 0, 0, 0]]
    monkeypatch.setattr(predicting, "_classify", lambda model, images: answers * len(images))
    code, lines = run("predict", picture, picture)
    assert code == 0
    assert lines[0] == "version 3"
    first, second, third = (line.split() for line in lines[3:6])
    assert first == ["T-shirt/top", "60.0%", "█" * 18]
    assert second == ["Trouser", "30.0%", "█" * 9]
    assert third == ["Pullover", "9.0%", "█" * 3]
    assert lines.count(str(picture)) == 2
    assert not any("Dress" in line for line in lines)


def test_predict_asks_the_version_that_is_named(store, run, picture, monkeypatch):
    asked = []
    answer = [[1.0] + [0.0] * 9]
    monkeypatch.setattr(predicting, "_classify", lambda model, _: asked.append(model) or answer)
    assert run("predict", picture, "--version", 1)[1][0] == "version 1"
    assert asked == [store.directory / "1"]


def test_predict_does_not_ask_a_tampered_version(store, run, picture, refusal):
    (store.directory / "3" / "saved_model.pb").write_text("tampered")
    with refusal("Version 3 is not as it was pushed"):
        run("predict", picture)


def test_predict_says_in_a_sentence_that_a_model_of_others_does_not_answer(
    store, run, picture, refusal, monkeypatch
):
    def fail(*_):
        raise KeyError("predict_images")

    monkeypatch.setattr(predicting, "_classify", fail)
    with refusal(
        "Version 3 can't classify pictures",
        "predict_images",
        "`python -m pipeline.serving check 3 --root ",
        "` says more",
    ):
        run("predict", picture)


@pytest.mark.parametrize(
    "answer",
    [
        np.full([1, 5], 0.2),
        np.full([10], 0.1),
        np.full([2, 10], 0.1),
        np.full([1, 10], np.nan),
        np.full([1, 10], b"a", object),
    ],
    ids=["other classes", "no batch", "other batch", "not a number", "text"],
)
def test_predict_says_in_a_sentence_that_a_model_of_others_answers_something_else(
    store, run, picture, refusal, monkeypatch, answer
):
    monkeypatch.setattr(
        signature_calls,
        "load_signature",
        lambda model, name: lambda images: {served.PROBABILITIES: answer},
    )
    with refusal(
        "Version 3 can't classify pictures",
        "`python -m pipeline.serving check 3 --root ",
        "` says more",
    ):
        run("predict", picture)


def test_predict_needs_a_version(run, picture, refusal):
    with refusal("has no version to serve"):
        run("predict", picture)


def test_bars_fit_a_screen_of_40_columns(store, run, picture, monkeypatch):
    monkeypatch.setattr(predicting, "_classify", lambda *_: [[0.6, 0.4, *[0.0] * 8]])
    monkeypatch.setenv("COLUMNS", "40")
    lines = run("predict", picture)[1]
    [first, second] = [line for line in lines if "%" in line]
    assert max(len(first), len(second)) <= 40
    assert 0 < second.count("█") < first.count("█")
