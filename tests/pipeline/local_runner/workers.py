import json

from pipeline.engine.protocol import Finished
from pipeline.runs.run_result import Pushed
from tests.evaluations import evaluation

BLESSED = evaluation()


PUSHED = Pushed(path="/served/tinyvgg/7", version="7")


class Worker:
    """Stands in for the worker: what it is asked, what it tells, how it ends."""

    def __init__(self):
        self.requests = []
        self.options = []
        self.events = []
        self.outcome = Finished(evaluation=BLESSED, pushed=PUSHED)

    def __call__(self, request, log, handle, echo=None):
        self.requests.append(request)
        self.options.append({"log": log, "echo": echo})
        for event in self.events:
            handle(event)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def the_object(out: str) -> dict:
    """What `--json` printed, if that was one object on one line."""
    [line] = out.splitlines()
    return json.loads(line)
