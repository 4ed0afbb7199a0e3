"""A runner that hands jobs to nobody, and what it was told."""

from typing import ClassVar

from apache_beam.runners.portability import portable_runner

RUNNER = f"--runner={__name__}.StandIn"


class Result:
    """Of a job; `wait` is what waiting for its end does."""

    def __init__(self, wait):
        self._job_id = "job-7"
        self._wait = wait
        self.cancelled = 0

    def wait_until_finish(self):
        self._wait()

    def cancel(self):
        self.cancelled += 1


class StandIn(portable_runner.PortableRunner):
    """Takes what a job comes to from `submit` and `wait`; keeps the results in `begun`."""

    submit = staticmethod(lambda: None)
    wait = staticmethod(lambda: None)
    begun: ClassVar[list[Result]] = []

    def run_pipeline(self, pipeline, options):
        self.submit()
        result = Result(self.wait)
        self.begun.append(result)
        return result
