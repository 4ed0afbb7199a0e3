"""Loads a SavedModel as a stranger would, calls it, and measures: run as a script.

`python -I -S probe.py` knows neither the working directory nor what site-packages adds to the
path by itself, such as an editable installation of this project; it is told where the
packages are, and which of them must not be importable. It imports nothing of this project.

It reads one JSON object from standard input and writes lines of JSON to standard output: what
it is about to do, so that a crash has a place, and at last its report.
"""

import base64
import contextlib
import json
import os
import sys
import time


class _Block:
    """Makes packages unknown, however they are installed."""

    def __init__(self, names):
        self._names = names

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{name} must not be needed to serve a model")


class _Probe:
    """One look at a model; `reasons` collects what is wrong with it."""

    def __init__(self, request, emit):
        self._request = request
        self._emit = emit
        self._examples = [base64.b64decode(one) for one in request["examples"]]
        self.reasons = []
        self.measures = {}

    def run(self):
        self._emit({"step": "importing TensorFlow"})
        import numpy as np
        import tensorflow as tf

        self._np, self._tf = np, tf
        self._emit({"step": "loading the model"})
        started = time.monotonic()
        self._model = tf.saved_model.load(self._request["model"])
        self.measures["load_s"] = time.monotonic() - started
        self._check_answers()
        self._check_malformed()
        self._measure_latency()
        self.measures["memory_mb"] = _peak_memory_mb()

    def _check_answers(self):
        if "serving_default" not in self._model.signatures:
            self.reasons.append("the model has no signature serving_default")
        for name, signature in self._model.signatures.items():
            self._emit({"step": f"calling {name} with real examples"})
            given = self._inputs(signature, self._examples)
            if given is None:
                self.reasons.append(f"{name} takes neither examples nor pixels")
                continue
            try:
                answers = {key: one.numpy() for key, one in signature(**given).items()}
            except Exception as error:
                self.reasons.append(f"{name} fails on real examples: {_first_line(error)}")
                continue
            self._compare(name, answers)

    def _inputs(self, signature, examples):
        """What a signature takes, of these examples; None if it takes something else."""
        tf = self._tf
        (key, spec), *others = signature.structured_input_signature[1].items()
        if others:
            return None
        if spec.dtype == tf.string:
            return {key: tf.constant(examples, tf.string)}
        if spec.dtype == tf.uint8 and spec.shape.rank == 3:
            return {key: self._pixels(examples)}
        return None

    def _pixels(self, examples):
        tf, feature = self._tf, self._request["image_feature"]
        spec = {feature: tf.io.FixedLenFeature([], tf.string)}
        pngs = tf.io.parse_example(tf.constant(examples, tf.string), spec)[feature]
        return tf.stack([tf.io.decode_png(png, channels=1)[..., 0] for png in pngs])

    def _compare(self, name, answers):
        """Holds what a signature answered against what was expected of it, key by key."""
        np, tolerance = self._np, self._request["tolerance"]
        for key, found in answers.items():
            if found.dtype.kind == "f" and not np.isfinite(found).all():
                self.reasons.append(f"{name} answers {key} that are not finite")
        expected = self._request["expected"]
        # A signature that classifies answers all of it; another, as the features, none.
        if not answers.keys() >= expected.keys():
            return
        for key, wanted in expected.items():
            found = answers[key]
            if found.dtype.kind == "f":
                difference = np.abs(found - np.array(wanted)).max()
                worst = max(float(difference), self.measures.get("difference", 0.0))
                self.measures["difference"] = worst
                if not difference <= tolerance:
                    self.reasons.append(
                        f"{name} answers {key} that differ by {difference:.2g} from those "
                        f"evaluated, and may by {tolerance:.2g}"
                    )
                continue
            texts = [one.decode() if isinstance(one, bytes) else one for one in found.tolist()]
            if texts != wanted:
                self.reasons.append(f"{name} answers another {key} than was evaluated")

    def _check_malformed(self):
        for name, signature in self._model.signatures.items():
            for fault, given in self._malformed(signature).items():
                self._emit({"step": f"sending {name} {fault}"})
                # Any error will do: what is not one is an answer, or the end of the process.
                with contextlib.suppress(Exception):
                    signature(**given)
                    self.reasons.append(f"{name} answers {fault} where it should refuse")

    def _malformed(self, signature):
        tf = self._tf
        (key, spec), *_ = signature.structured_input_signature[1].items()
        if spec.dtype == tf.uint8:
            height, width = spec.shape[1:]
            return {
                "pixels of a wrong size": {key: tf.zeros([1, height + 4, width + 4], tf.uint8)},
                "an empty batch": {key: tf.zeros([0, height, width], tf.uint8)},
            }
        if spec.dtype != tf.string:
            return {}
        png = tf.io.encode_png(tf.zeros([40, 40, 1], tf.uint8)).numpy()
        return {
            "an image of a wrong size": {key: self._with_image(png)},
            "an empty batch": {key: tf.constant([], tf.string)},
            "what is not an image": {key: self._with_image(b"no image")},
            "an example without its feature": {key: self._with_image(None)},
            "what is not an example": {key: tf.constant([b"\xff\xff\xff"])},
        }

    def _with_image(self, image):
        """The first example, with another image or none."""
        tf, feature = self._tf, self._request["image_feature"]
        example = tf.train.Example.FromString(self._examples[0])
        del example.features.feature[feature]
        if image is not None:
            example.features.feature[feature].bytes_list.value.append(image)
        return tf.constant([example.SerializeToString()])

    def _measure_latency(self):
        signature = self._model.signatures.get("serving_default")
        if signature is None or self.reasons:
            return
        for size, repeats in self._request["batches"]:
            self._emit({"step": f"measuring the latency of batches of {size}"})
            examples = [self._examples[i % len(self._examples)] for i in range(size)]
            given = self._inputs(signature, examples)
            signature(**given)
            seconds = sorted(_time(signature, given) for _ in range(repeats))
            self.measures[f"median_ms_{size}"] = 1000 * seconds[len(seconds) // 2]
            # The smallest that 99 of 100 do not exceed.
            self.measures[f"p99_ms_{size}"] = 1000 * seconds[-(-99 * len(seconds) // 100) - 1]


def _time(signature, given):
    started = time.perf_counter()
    for value in signature(**given).values():
        value.numpy()
    return time.perf_counter() - started


def _peak_memory_mb():
    # Not by getrusage, whose peak also holds what the parent had before this was started.
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _first_line(error):
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"[:200]


def main():
    """Reads the request, and reports."""
    # What libraries print must not mix with the report.
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)

        def emit(message):
            out.write(json.dumps(message) + "\n")

        request = json.load(sys.stdin)
        sys.path.extend(request["packages"])
        sys.meta_path.insert(0, _Block(request["blocked"]))
        probe = _Probe(request, emit)
        try:
            probe.run()
        except Exception as error:
            probe.reasons.append(f"the model fails: {_first_line(error)}")
        loaded = sorted(set(request["blocked"]) & set(sys.modules))
        emit({"reasons": probe.reasons, "measures": probe.measures, "blocked_but_loaded": loaded})


if __name__ == "__main__":
    main()
