"""What a model is put to: real requests, malformed ones, its own for the warm-up, and the clock.

Imports nothing of this project, and no module beside it.
"""

import base64
import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

_WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
# TensorFlow Serving refuses to load a model that brings more:
# https://www.tensorflow.org/tfx/serving/saved_model_warmup
_MOST_WARMUP_REQUESTS = 1000
_ROUNDS = 4
_PAUSE_S = 1.0


class Model(Protocol):
    """A SavedModel as one of the `loaders` loads it."""

    name: str
    inputs: Mapping[str, Mapping[str, Any]]

    def __init__(self, directory: str) -> None:
        """Loads what is in a directory."""

    def bind(
        self, name: str, given: Mapping[str, np.ndarray]
    ) -> Callable[[], Mapping[str, np.ndarray]]:
        """Prepares a call of a signature."""


class Checks:
    """One look at a model; `reasons` says what is wrong with it, `measures` what it takes."""

    def __init__(self, request: Mapping[str, Any], emit: Callable[[dict], None]) -> None:
        """Takes what `runner` sends, and where to tell each step."""
        self._request = request
        self._emit = emit
        self._examples = [base64.b64decode(one) for one in request["examples"]]
        self._default = request["default_signature"]
        self._found: dict[str, dict[str, str]] = defaultdict(dict)
        self._loaders: list[str] = []
        self.measures: dict[str, float] = {}

    @property
    def reasons(self) -> list[str]:
        """A phrase for each fault; it names the loader where the other does not show it."""
        return list(map(self._describe, self._found, self._found.values()))

    def run(self, loaders: Sequence[type[Model]]) -> None:
        """Checks the model through each loader; the first is the server's."""
        self._loaders = [loader.name for loader in loaders]
        for number, loader in enumerate(loaders):
            self._loader = loader.name
            self._step(f"loading the model with {loader.name}")
            started = time.monotonic()
            try:
                model = loader(self._request["model"])
            except Exception as error:
                self._refuse("the model can't be loaded", error)
                continue
            if number == 0:
                self.measures["load_s"] = time.monotonic() - started
                self._check_warmup(model)
            self._check_answers(model)
            self._check_malformed(model)
            if number == 0 and not self._found:
                self._measure_latency(model)
        self.measures["memory_mb"] = _peak_memory_mb()

    def _step(self, text: str) -> None:
        self._emit({"step": text})

    def _refuse(self, fault: str, cause: object = "") -> None:
        text = f": {_first_line(cause)}" if isinstance(cause, Exception) else ""
        self._found[fault].setdefault(self._loader, text)

    def _describe(self, fault: str, causes: Mapping[str, str]) -> str:
        where = "" if len(causes) == len(self._loaders) else f" in {next(iter(causes))}"
        return fault + where + next(iter(causes.values()))

    def _check_warmup(self, model: Model) -> None:
        """Runs the requests that the model brings, one after the other, as a server does."""
        path = Path(self._request["model"]) / _WARMUP_FILE
        if not path.exists():
            return
        self._step("warming the model up")
        try:
            records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        except tf.errors.OpError as error:
            self._refuse("its warm-up requests can't be read", error)
            return
        if len(records) > _MOST_WARMUP_REQUESTS:
            self._refuse(
                f"it brings {len(records):,} warm-up requests, and a server takes at most "
                f"{_MOST_WARMUP_REQUESTS:,}"
            )
        for number, record in enumerate(records[:_MOST_WARMUP_REQUESTS], start=1):
            self._warm_up(model, f"warm-up request {number}", record)

    def _warm_up(self, model: Model, name: str, record: bytes) -> None:
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request, response = log.predict_log.request, log.predict_log.response
            given = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            signature = request.model_spec.signature_name or self._default
            answers = model.bind(signature, given)()
        except Exception as error:
            self._refuse(f"{name} fails", error)
            return
        recorded = {key: tf.make_ndarray(value) for key, value in response.outputs.items()}
        self._compare(name, answers, recorded, "recorded")

    def _check_answers(self, model: Model) -> None:
        if self._default not in model.inputs:
            self._refuse(f"the model has no signature {self._default}")
        for name, inputs in model.inputs.items():
            self._step(f"calling {name} with real examples")
            given = self._inputs(inputs, self._examples)
            if given is None:
                self._refuse(f"{name} takes neither examples nor pixels")
                continue
            try:
                answers = model.bind(name, given)()
            except Exception as error:
                self._refuse(f"{name} fails on real examples", error)
                continue
            for key, found in answers.items():
                if found.dtype.kind == "f" and not np.isfinite(found).all():
                    self._refuse(f"{name} answers {key} that are not finite")
            expected = self._request["expected"]
            # A signature that classifies answers all of it; another, as the features, none.
            if answers.keys() >= expected.keys():
                self._compare(name, answers, expected, "evaluated")

    def _inputs(self, inputs: Mapping, examples: list[bytes]) -> dict[str, np.ndarray] | None:
        """What a signature takes, of these examples; None if it takes something else."""
        (key, one), *others = inputs.items()
        if others:
            return None
        if one.dtype == tf.string:
            return {key: np.array(examples, object)}
        if one.dtype == tf.uint8 and len(one.shape) == 3:
            return {key: self._pixels(examples)}
        return None

    def _pixels(self, examples: list[bytes]) -> np.ndarray:
        feature = self._request["image_feature"]
        spec = {feature: tf.io.FixedLenFeature([], tf.string)}
        pngs = tf.io.parse_example(tf.constant(examples, tf.string), spec)[feature]
        return np.stack([tf.io.decode_png(png, channels=1)[..., 0].numpy() for png in pngs])

    def _compare(self, name: str, answers: Mapping, expected: Mapping, source: str) -> None:
        """Holds what was answered against what was expected of it, key by key."""
        tolerance = self._request["tolerance"]
        for key, wanted in expected.items():
            found = answers[key]
            if found.dtype.kind == "f":
                difference = float(np.abs(found - np.array(wanted)).max())
                worst = max(difference, self.measures.get("difference", 0.0))
                self.measures["difference"] = worst
                if not difference <= tolerance:
                    self._refuse(
                        f"{name} answers {key} that differ by {difference:.2g} from those "
                        f"{source}, and may by {tolerance:.2g}"
                    )
            elif _plain(found) != _plain(np.asarray(wanted)):
                self._refuse(f"{name} answers another {key} than was {source}")

    def _check_malformed(self, model: Model) -> None:
        for name, inputs in model.inputs.items():
            (key, one), *_ = inputs.items()
            for fault, value in self._malformed(one.dtype, one.shape):
                self._step(f"sending {name} {fault}")
                # Any error will do: what is not one is an answer, or the end of the process.
                with contextlib.suppress(Exception):
                    model.bind(name, {key: value})()
                    self._refuse(f"{name} answers {fault} where it should refuse")

    def _malformed(self, dtype: tf.DType, shape: Sequence[int]) -> Iterator[tuple[str, np.ndarray]]:
        """Requests that must be refused, by what is wrong with them."""
        if dtype == tf.uint8:
            height, width = shape[1:]
            yield "pixels of a wrong size", np.zeros([1, height + 4, width + 4], np.uint8)
            # In as many images that the pixels of all would make up whole ones.
            many = [height * width, height + 4, width + 4]
            yield "many images of a wrong size", np.zeros(many, np.uint8)
            yield "pixels without a batch", np.zeros([height, width], np.uint8)
            yield "an empty batch", np.zeros([0, height, width], np.uint8)
        elif dtype == tf.string:
            png = tf.io.encode_png(tf.zeros([40, 40, 1], tf.uint8)).numpy()
            yield "an image of a wrong size", self._with_image(png)
            yield "an empty batch", np.array([], object)
            yield "what is not an image", self._with_image(b"no image")
            yield "an example without its feature", self._with_image(None)
            yield "what is not an example", np.array([b"\xff\xff\xff"], object)
            yield "an example without a batch", np.array(self._examples[0], object)

    def _with_image(self, image: bytes | None) -> np.ndarray:
        """The first example, with another image or none."""
        feature = self._request["image_feature"]
        example = tf.train.Example.FromString(self._examples[0])
        del example.features.feature[feature]
        if image is not None:
            example.features.feature[feature].bytes_list.value.append(image)
        return np.array([example.SerializeToString()], object)

    def _measure_latency(self, model: Model) -> None:
        for size, repeats, bound_ms in self._request["batches"]:
            self._step(f"measuring the latency of batches of {size}")
            examples = [self._examples[i % len(self._examples)] for i in range(size)]
            given = self._inputs(model.inputs[self._default], examples)
            if given is None:  # That was refused before.
                return
            call = model.bind(self._default, given)
            call()
            median, p99 = measure_latency(call, repeats, bound_ms / 1000)
            self.measures[f"median_ms_{size}"] = 1000 * median
            self.measures[f"p99_ms_{size}"] = 1000 * p99


def measure_latency(
    call: Callable[[], object], repeats: int, bound_s: float
) -> tuple[float, float]:
    """Times a call, again after a pause if it took too long: other work only ever adds.

    Args:
        call: what is timed.
        repeats: how often in a round.
        bound_s: the 99th percentile that is allowed, in seconds.

    Returns:
        Median and 99th percentile of the round with the lowest of these, in seconds.
    """
    best = (math.inf, math.inf)
    for number in range(_ROUNDS):
        if number:
            time.sleep(_PAUSE_S)
        seconds = sorted(_time(call) for _ in range(repeats))
        # The smallest that 99 of 100 do not exceed.
        p99 = seconds[-(-99 * repeats // 100) - 1]
        best = min(best, (seconds[repeats // 2], p99), key=lambda one: one[1])
        # Where no call at all was fast enough, it is not for other work.
        if p99 <= bound_s or seconds[0] > bound_s:
            break
    return best


def _plain(values: np.ndarray) -> list:
    return [one.decode() if isinstance(one, bytes) else one for one in values.ravel().tolist()]


def _time(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _peak_memory_mb() -> float:
    # Not by getrusage, whose peak also holds what the parent had before this was started.
    with Path("/proc/self/status").open() as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    # TensorFlow puts where it happened first, and what happened last.
    if lines and lines[0].startswith("Graph execution error"):
        lines.reverse()
    return (lines[0] if lines else type(error).__name__)[:200]
