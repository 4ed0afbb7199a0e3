"""Runs the probe in a fresh process, within limits, and makes a verdict of what it reports.

Free of TensorFlow: only the probe's process loads it.
"""

import base64
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, cast

from components import quiet
from components.programs import describe_end
from components.serving_check.findings import Findings
from trainer_module import served

TOLERANCE = 1e-5
"""How far a probability may be from the one that was evaluated."""

BATCHES = ((1, 200), (64, 50))
"""Sizes of batches whose latency is measured, in the order of their limits, and how often."""

_PROBE = Path(__file__).with_name("probe")
# None of ours, and none that only training needs: a server has neither. Keras would take a third of
# the time in which TensorFlow is imported.
_BLOCKED = (
    *("components", "pipeline", "schema", "trainer_module", "keras"),
    *("tfx", "tfx_bsl", "tensorflow_transform", "tensorflow_model_analysis", "ml_metadata"),
)
_POLL_S = 0.05


@dataclass(frozen=True)
class Limits:
    """What a model may cost at most.

    Attributes:
        max_size_mb: of all its files.
        max_load_s: until it is loaded, in seconds.
        max_latency_ms: 99th percentile of a batch of 1.
        max_batch_latency_ms: 99th percentile of a batch of 64.
        max_memory_mb: peak memory of the process that loads and calls it, TensorFlow included.
        timeout_s: for all of it.
    """

    max_size_mb: float
    max_load_s: float
    max_latency_ms: float
    max_batch_latency_ms: float
    max_memory_mb: float
    timeout_s: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Limits":
        """Takes the limits out of a configuration that also holds other things."""
        return cls(**{limit.name: config[limit.name] for limit in fields(cls)})


@dataclass(frozen=True)
class Questions:
    """What a model is asked.

    Attributes:
        examples: serialized, labelled raw `tf.Example`s, at least one.
        expected: what a signature that classifies should answer to them, by output; numbers
            as numbers, strings as text. Empty if nothing is known.
    """

    examples: Sequence[bytes]
    expected: Mapping[str, Sequence]


def run_check(
    model: Path, gather: Callable[[], Questions], limits: Limits, image_feature: str
) -> Findings:
    """Checks a SavedModel.

    Args:
        model: its directory.
        gather: called once, while the process that checks it imports TensorFlow.
        limits: what it may cost.
        image_feature: the name of the examples' feature that holds the image.

    Returns:
        The verdict; a process that crashed or was stopped is one as well.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        _process(model, errors) as process,
    ):
        request = _make_request(model, gather(), limits, image_feature)
        reasons, measures = _follow(process, request, limits, errors)
    measures["size_mb"] = _size_mb(model)
    return Findings(reasons + _exceeded(measures, limits), measures)


def _make_request(
    model: Path, questions: Questions, limits: Limits, image_feature: str
) -> dict[str, Any]:
    return {
        "model": str(model),
        "examples": [base64.b64encode(example).decode() for example in questions.examples],
        "expected": dict(questions.expected),
        "image_feature": image_feature,
        "default_signature": served.SERVING_DEFAULT,
        "tolerance": TOLERANCE,
        "batches": [
            (size, repeats, bound)
            for (size, repeats), bound in zip(
                BATCHES, (limits.max_latency_ms, limits.max_batch_latency_ms), strict=True
            )
        ],
    }


def _size_mb(model: Path) -> float:
    return sum(path.stat().st_size for path in model.rglob("*") if path.is_file()) / 1e6


def _exceeded(measures: Mapping[str, float], limits: Limits) -> list[str]:
    bounds = {
        "size_mb": ("the size", limits.max_size_mb, "MB"),
        "load_s": ("the load time", limits.max_load_s, "s"),
        "p99_ms_1": ("the 99th percentile of the latency", limits.max_latency_ms, "ms"),
        "p99_ms_64": (
            "the 99th percentile of the latency of batches of 64",
            limits.max_batch_latency_ms,
            "ms",
        ),
        "memory_mb": ("the peak memory", limits.max_memory_mb, "MB"),
    }
    return [
        f"{what} is {measures[key]:,.3g} {unit} and should be at most {bound:,g} {unit}"
        for key, (what, bound, unit) in bounds.items()
        if measures.get(key, 0.0) > bound
    ]


@contextmanager
def _process(model: Path, errors: IO[str]) -> Iterator[subprocess.Popen]:
    """Yields the process, which begins with its imports and then waits for the request."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        **quiet.ENVIRONMENT,
    }
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROBE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        # A directory that has nothing to import.
        cwd=model,
        text=True,
    )
    stdin = cast(IO[str], process.stdin)
    try:
        with suppress(BrokenPipeError):
            print(json.dumps({"packages": packages, "blocked": _BLOCKED}), file=stdin, flush=True)
        yield process
    finally:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            stdin.close()


def _follow(
    process: subprocess.Popen, request: dict[str, Any], limits: Limits, errors: IO[str]
) -> tuple[list[str], dict[str, float]]:
    messages: queue.SimpleQueue = queue.SimpleQueue()
    for work in ((_send, process.stdin, request), (_receive, process.stdout, messages)):
        threading.Thread(target=work[0], args=work[1:], daemon=True).start()
    deadline = time.monotonic() + limits.timeout_s
    step, peak = "starting", 0.0
    while True:
        with suppress(queue.Empty):
            message = messages.get(timeout=_POLL_S)
            if message is None:
                ended = describe_end(process.wait(), errors)
                return [f"while {step}, the process {ended}"], {}
            if "reasons" in message:
                return _reasons(message), message["measures"]
            step = message["step"]
        peak = max(peak, _peak_memory_mb(process.pid))
        if peak > limits.max_memory_mb:
            # Its peak says by how much; no bound is named twice.
            return [], {"memory_mb": peak}
        if time.monotonic() > deadline:
            return [f"it was not done after {limits.timeout_s:g} s, while {step}"], {}


def _send(stdin: IO[str], request: dict[str, Any]) -> None:
    # It may die before it has read all.
    with suppress(BrokenPipeError), stdin:
        json.dump(request, stdin)


def _receive(stdout: IO[str], messages: queue.SimpleQueue) -> None:
    with stdout:
        for line in stdout:
            messages.put(json.loads(line))
    messages.put(None)


def _reasons(message: dict[str, Any]) -> list[str]:
    loaded = message["blocked_but_loaded"]
    return message["reasons"] + [f"it loads {name}, which a server has not" for name in loaded]


def _peak_memory_mb(pid: int) -> float:
    """The peak of a process; 0 for one that has just ended."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
