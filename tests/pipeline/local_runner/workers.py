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
        self.surroundings = []
        self.events = []
        self.outcome = Finished(evaluation=BLESSED, pushed=PUSHED)

    def __call__(self, request, surroundings, handle, started):
        self.requests.append(request)
        self.surroundings.append(surroundings)
        surroundings.log.touch()
        started(1)
        for event in self.events:
            handle(event)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def the_object(out: str) -> dict:
    """What `--json` printed, if that was one object on one line."""
    [line] = out.splitlines()
    return json.loads(line)
