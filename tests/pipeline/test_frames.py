import math

import numpy as np
import pandas as pd
import pytest

from pipeline import frames, workspace
from pipeline.runs.run_result import RunResult
from tests import evaluations
from trainer_module import features


@pytest.fixture
def root(tmp_path):
    """Has two runs, the latter without figures by ink."""
    of_classes = {
        name: evaluations.class_metrics(accuracy=0.9, most_confused_with="Bag")
        for name in features.CLASS_NAMES
    }
    of_classes["Shirt"] = evaluations.class_metrics(accuracy=0.6, f1=None, loss=math.nan)
    by_ink = {name: evaluations.slice_metrics(accuracy=0.8) for name in ("under a half", "more")}
    for run_id, fields in (("1st", {"slices": {"ink": by_ink}}), ("2nd", {"classes": of_classes})):
        directory = workspace.runs(tmp_path) / run_id
        directory.mkdir(parents=True)
        result = RunResult(run_id=run_id, evaluation=evaluations.evaluation(**fields))
        (directory / "result.json").write_text(result.to_json())
    return tmp_path


def test_classes_of_the_latest_run_are_rows_by_their_names(root):
    frame = frames.read_slices(root)
    assert isinstance(frame, pd.DataFrame)
    assert (frame.index.name, list(frame.index)) == ("label", list(features.CLASS_NAMES))
    assert frame.loc["Coat", "recall"] == 0.9
    assert frame.sort_values("recall").index[0] == "Shirt"
    assert frame.loc["Bag", "most_confused_with"] == "Bag"


def test_figures_are_numbers_and_those_that_there_are_not_are_nan(root):
    frame = frames.read_slices(str(root))
    for column in ("examples", "recall", "precision", "f1", "auc", "loss"):
        assert np.issubdtype(frame[column].dtype, np.number), column
    assert frame.loc["Shirt", ["f1", "loss"]].isna().all()


def test_another_run_is_named_by_the_beginning_of_its_id_and_cut_otherwise(root):
    frame = frames.read_slices(root, run="1", by="ink")
    assert (frame.index.name, list(frame.index)) == ("ink", ["under a half", "more"])
    assert list(frame["accuracy"]) == [0.8, 0.8]


def test_what_is_not_there_is_a_sentence(root, refusal):
    with refusal("Nothing is cut by colour: name one of label, ink, brightness, group"):
        frames.read_slices(root, by="colour")
    with refusal("has no slices by ink"):
        frames.read_slices(root, by="ink")
    with refusal("There is no run 3rd"):
        frames.read_slices(root, run="3rd")
    with refusal("has no runs"):
        frames.read_slices(root / "elsewhere")
