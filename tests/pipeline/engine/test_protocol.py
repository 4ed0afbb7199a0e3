from pathlib import Path

import pydantic
import pytest

from components.evaluation.figures import Evaluation
from pipeline import config
from pipeline.data.kinds import OfficialFiles, OwnRecords, Sample, TensorFlowDatasets
from pipeline.engine.protocol import (
    DataEvent,
    Finished,
    NodeEvent,
    Request,
    StepEvent,
    TrainingEvent,
    parse_event,
)
from pipeline.runs.run_result import Failure, Pushed
from tests.evaluations import LOW_RECALL, class_metrics, evaluation, overall_metrics

NAN, INFINITY = float("nan"), float("inf")


def training(**figures: float) -> TrainingEvent:
    return TrainingEvent(epoch=2, epochs=25, step=3, steps=430, **figures)


def judged(loss: float) -> Evaluation:
    return evaluation(
        LOW_RECALL, overall=overall_metrics(loss=loss), classes={"Shirt": class_metrics(loss=loss)}
    )


@pytest.mark.parametrize(
    "event",
    [
        StepEvent(text="loading TFX"),
        DataEvent(examples={"train": 55_000, "test": 10_000}),
        NodeEvent(node="Trainer", state="left out"),
        training(loss=0.5, accuracy=0.8),
        training(loss=0.5, accuracy=0.8, val_loss=0.4, val_accuracy=0.9),
        Finished(evaluation=judged(0.25), pushed=Pushed(path="/s/tinyvgg/7", version="7")),
        Finished(failure=Failure(cause="two\nlines – “quoted”", node="Trainer")),
        Finished(failure=Failure(cause="no data"), usage=True),
        # A training that diverges still tells its figures, and the command follows it.
        training(loss=NAN, accuracy=0.1),
        training(loss=INFINITY, accuracy=0.1, val_loss=NAN, val_accuracy=0.1),
        Finished(evaluation=judged(NAN)),
    ],
    ids=lambda event: event.kind,
)
def test_an_event_survives_the_pipe_on_one_line(event):
    line = event.model_dump_json()
    assert "\n" not in line
    # By their text, since NaN is equal to nothing.
    assert repr(parse_event(line + "\n")) == repr(event)


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "unknown", "text": "x"}',
        '{"text": "x"}',
        '{"kind": "node", "node": "Trainer", "state": "asleep"}',
        "Traceback (most recent call last):",
    ],
)
def test_a_line_that_is_no_event_is_refused(line):
    with pytest.raises(pydantic.ValidationError):
        parse_event(line)


@pytest.mark.parametrize(
    "source",
    [
        OfficialFiles(Path("/data/fashion ü")),
        TensorFlowDatasets(Path("/data")),
        OwnRecords(Path("/data")),
        Sample(),
        Sample(fallback_reason="nobody answers"),
    ],
)
def test_a_request_survives_the_pipe(source):
    request = Request(
        run_id="2024-01-02T03-04-05.678",
        config=config.load_config(
            None, ["paths.root=r", "model.filters=[1, 2]", "dataset.max_examples=5"]
        ),
        source=source,
        from_node="Trainer",
        to_node=None,
        cache=False,
    )
    received = Request.model_validate_json(request.model_dump_json())
    assert received == request
    assert vars(received.source) == vars(source)
