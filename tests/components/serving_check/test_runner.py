import dataclasses
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from components.serving_check import runner
from components.serving_check.findings import Findings
from components.serving_check.runner import Limits, Questions, run_check

IMAGE = "picture"
GENEROUS = Limits(
    max_size_mb=10,
    max_load_s=60,
    max_latency_ms=10_000,
    max_batch_latency_ms=10_000,
    max_memory_mb=4000,
    timeout_s=120,
)
EXPECTED = {
    "probabilities": [[0.0, 1.0], [0.2, 0.8], [1.0, 0.0]],
    "class_name": ["dark", "dark", "bright"],
}


@pytest.fixture(scope="module")
def examples(make_example):
    return [make_example(brightness) for brightness in (0, 51, 255)]


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(runner, "BATCHES", ((1, 5), (64, 3)))


@pytest.fixture(scope="module")
def sound_model(export):
    return export(serving_default="sound", predict_images="pixels")


def check(model, examples, expected=EXPECTED, **limits) -> Findings:
    return run_check(
        model,
        lambda: Questions(examples, expected),
        dataclasses.replace(GENEROUS, **limits),
        image_feature=IMAGE,
    )


@pytest.fixture(scope="module")
def report(sound_model, examples):
    return check(sound_model, examples)


def test_sound_model_is_not_refused(report):
    assert report.reasons == []


def test_everything_is_measured(report, sound_model):
    assert set(report.measures) == {
        *("size_mb", "load_s", "memory_mb", "difference"),
        *("median_ms_1", "p99_ms_1", "median_ms_64", "p99_ms_64"),
    }
    files = [path for path in sound_model.rglob("*") if path.is_file()]
    assert report.measures["size_mb"] == sum(path.stat().st_size for path in files) / 1e6
    assert report.measures["difference"] < 1e-6
    assert 100 < report.measures["memory_mb"] < 4000
    assert 0 < report.measures["median_ms_1"] <= report.measures["p99_ms_1"]


@pytest.mark.parametrize(
    ("output", "answers", "reason"),
    [
        (
            "probabilities",
            [[0.0, 1.0], [0.2, 0.8], [1.0, 0.001]],
            "serving_default answers probabilities that differ by 0.001 from those evaluated, "
            "and may by 1e-05",
        ),
        (
            "class_name",
            ["dark", "bright", "dark"],
            "serving_default answers another class_name than was evaluated",
        ),
    ],
)
def test_other_answers_than_were_evaluated_are_refused_in_each_signature(
    sound_model, examples, output, answers, reason
):
    report = check(sound_model, examples, {**EXPECTED, output: answers})
    assert report.reasons == [reason.replace("serving_default", "predict_images"), reason]


def test_answers_within_the_tolerance_are_not_refused(sound_model, examples):
    near = [[one + 5e-6 for one in row] for row in EXPECTED["probabilities"]]
    assert check(sound_model, examples, {**EXPECTED, "probabilities": near}).reasons == []


def test_malformed_requests_that_are_answered_are_each_named(export, examples):
    report = check(export(serving_default="credulous"), examples, {})
    assert report.reasons == [
        f"serving_default answers {fault} where it should refuse"
        for fault in (
            "an image of a wrong size",
            "an empty batch",
            "what is not an image",
            "an example without its feature",
            "what is not an example",
        )
    ]


def test_answers_that_are_not_finite_are_refused(export, examples):
    report = check(export(serving_default="not_a_number"), examples, {})
    assert report.reasons == ["serving_default answers probabilities that are not finite"]


def test_signature_that_fails_is_named_with_its_cause(export, examples):
    report = check(export(serving_default="failing"), examples, {})
    [reason] = report.reasons
    assert reason.startswith("serving_default fails on real examples: assertion failed: [the loom")


def test_model_that_only_pythons_loader_can_run_is_refused(not_for_servers, examples):
    tf.saved_model.load(str(not_for_servers)).signatures["serving_default"](
        examples=tf.constant(examples)
    )
    reasons = check(not_for_servers, examples, {}).reasons
    assert [reason.partition(": ")[0] for reason in reasons] == [
        f"{name} fails on real examples in a server's loader"
        for name in ("predict_images", "serving_default")
    ]
    assert all("Could not find variable" in reason for reason in reasons)


def test_model_that_can_not_be_loaded_in_python_alone_is_refused_too(
    sound_model, examples, tmp_path
):
    model = tmp_path / "model"
    shutil.copytree(sound_model, model)
    content = saved_model_pb2.SavedModel.FromString((model / "saved_model.pb").read_bytes())
    content.meta_graphs[0].object_graph_def.nodes[0].children[0].node_id = 999_999
    (model / "saved_model.pb").write_bytes(content.SerializeToString())
    [reason] = check(model, examples).reasons
    assert reason.startswith("the model can't be loaded in Python's loader: ")


def request(signature="serving_default", answers=None, **inputs):
    """A warm-up request, with the answers that were recorded if they were."""
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    for key, value in inputs.items():
        log.predict_log.request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    for key, value in (answers or {}).items():
        log.predict_log.response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString()


@pytest.fixture
def with_warmup(sound_model, tmp_path):
    """Copies the sound model, with such warm-up requests."""

    def with_warmup(*requests):
        model = tmp_path / "model"
        shutil.copytree(sound_model, model)
        (model / "assets.extra").mkdir()
        file = model / "assets.extra" / "tf_serving_warmup_requests"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for one in requests:
                writer.write(one)
        return model

    return with_warmup


def test_warmup_requests_that_run_are_no_reason(with_warmup, examples):
    answers = {"class_name": np.array([b"dark"], object), "probabilities": [[0.0, 1.0]]}
    model = with_warmup(
        request(examples=examples),
        request("predict_images", images=np.zeros([2, 28, 28], np.uint8)),
        request("", examples=examples[:1], answers=answers),
    )
    assert check(model, examples).reasons == []


@pytest.mark.parametrize(
    ("faulty", "cause"),
    [
        (request(examples=[b"no example"]), "warm-up request 2 fails in a server's loader: "),
        (request("classify", examples=[b""]), "warm-up request 2 fails in a server's loader: "),
        (request(pictures=[b""]), "warm-up request 2 fails in a server's loader: "),
        (b"no request", "warm-up request 2 fails in a server's loader: "),
        (
            prediction_log_pb2.PredictionLog(
                classify_log=prediction_log_pb2.ClassifyLog()
            ).SerializeToString(),
            "warm-up request 2 fails in a server's loader: ",
        ),
        (
            request(
                "predict_images",
                answers={"probabilities": [[0.5, 0.5]]},
                images=np.zeros([1, 28, 28], np.uint8),
            ),
            "warm-up request 2 answers probabilities that differ by 0.5 from those recorded, and "
            "may by 1e-05 in a server's loader",
        ),
    ],
    ids=["fails", "other signature", "other input", "no request", "other kind", "other answer"],
)
def test_each_warmup_request_that_a_server_fails_on_is_refused(
    with_warmup, examples, faulty, cause
):
    model = with_warmup(request(examples=examples), faulty, request(examples=examples[:1]))
    [reason] = check(model, examples).reasons
    assert reason.startswith(cause)


def test_damaged_file_of_warmup_requests_is_refused(with_warmup, examples):
    model = with_warmup(request(examples=examples))
    file = model / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    [reason] = check(model, examples).reasons
    assert reason.startswith("its warm-up requests can't be read in a server's loader: ")


def test_more_warmup_requests_than_a_server_takes_are_refused(with_warmup, examples):
    one = request("predict_images", images=np.zeros([1, 28, 28], np.uint8))
    reasons = check(with_warmup(*[one] * 1001), examples).reasons
    assert reasons == [
        "it brings 1,001 warm-up requests, and a server takes at most 1,000 in a server's loader"
    ]


def test_model_without_the_default_signature_is_refused(export, examples):
    report = check(export(predict_images="pixels"), examples)
    assert report.reasons == ["the model has no signature serving_default"]


def test_directory_that_is_no_model_is_refused_with_the_cause(tmp_path, examples):
    [reason] = check(tmp_path, examples).reasons
    assert reason.startswith("the model can't be loaded: Could not find SavedModel")


def test_truncated_model_is_refused(sound_model, examples, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(sound_model, model)
    [data] = (model / "variables").glob("variables.data-*")
    data.write_bytes(b"")
    [reason] = check(model, examples).reasons
    assert reason.startswith("the model can't be loaded: Read less bytes than requested")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_size_mb": 1e-3}, "the size is "),
        ({"max_load_s": 1e-3}, "the load time is "),
        ({"max_latency_ms": 1e-6}, "the 99th percentile of the latency is "),
        ({"max_batch_latency_ms": 1e-6}, "the 99th percentile of the latency of batches of 64 is "),
    ],
)
def test_what_exceeds_a_limit_is_refused_with_both(sound_model, examples, limits, reason):
    [said] = check(sound_model, examples, **limits).reasons
    [bound] = limits.values()
    assert said.startswith(reason)
    assert f" and should be at most {bound:g} " in said


def test_process_that_takes_more_memory_is_stopped_and_refused(sound_model, examples):
    report = check(sound_model, examples, max_memory_mb=100)
    [reason] = report.reasons
    assert reason.startswith("the peak memory is ")
    assert "load_s" not in report.measures


def test_process_that_takes_too_long_is_stopped_and_refused(sound_model, examples):
    [reason] = check(sound_model, examples, timeout_s=0.2).reasons
    assert reason.startswith("it was not done after 0.2 s, while ")


# Stand in for the probe's script: a process that ends as a model could make it end.
CRASH = """
import json, os, sys
json.loads(sys.stdin.readline())
print(json.dumps({"step": "sending serving_default what is not an image"}), flush=True)
os.kill(os.getpid(), 11)
"""
GIVE_UP = "import sys; sys.exit('no such package')"
SLEEP = "import time; time.sleep(60)"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            CRASH,
            "while sending serving_default what is not an image, the process was ended by SIGSEGV",
        ),
        (GIVE_UP, "while starting, the process ended with exit code 1: no such package"),
        (SLEEP, "it was not done after 1 s, while starting"),
    ],
    ids=["crash", "exit", "hang"],
)
def test_end_of_the_process_is_a_refusal_with_its_place(tmp_path, monkeypatch, script, reason):
    probe_ = tmp_path / "probe.py"
    probe_.write_text(script)
    monkeypatch.setattr(runner, "_PROBE", probe_)
    assert check(tmp_path, [b""], timeout_s=1 if script == SLEEP else 60).reasons == [reason]


LOOK_AROUND = """
import importlib.util, json, sys
surroundings = json.loads(sys.stdin.readline())
sys.path.extend(surroundings["packages"])
ours = [name for name in surroundings["blocked"][:4] if importlib.util.find_spec(name)]
print(json.dumps({"reasons": ours, "measures": {}, "blocked_but_loaded": []}))
"""


def test_our_packages_can_not_be_imported_where_the_model_is_loaded(tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    script.write_text(LOOK_AROUND)
    monkeypatch.setattr(runner, "_PROBE", script)
    # Neither from the checkout, by an editable installation, nor by PYTHONPATH.
    monkeypatch.setenv("PYTHONPATH", str(Path(runner.__file__).parents[2]))
    assert check(tmp_path, [b""]).reasons == []


IMPORT_ALL = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import block
sys.meta_path.insert(0, block.Block({"components", "tfx"}))
for name in ("components", "components.serving_check", "tfx", "json.tool"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error)
"""


def test_packages_are_blocked_even_where_they_are_installed():
    directory = Path(runner.__file__).with_name("probe")
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, directory, sysconfig.get_paths()["purelib"]],
        cwd=directory.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    names = ("components", "components", "tfx")
    lines = ended.stdout.splitlines()
    assert lines == [f"{name} must not be needed to serve a model" for name in names]


WAIT = """
import json, sys
json.loads(sys.stdin.readline())
print(json.dumps({"step": "importing"}), flush=True)
request = json.load(sys.stdin)
report = {"reasons": [request["examples"]], "measures": {}, "blocked_but_loaded": []}
print(json.dumps(report))
"""


@pytest.fixture
def running(monkeypatch):
    """Gets each process that a check starts."""
    running, start = [], subprocess.Popen

    def popen(*arguments, **options):
        running.append(start(*arguments, **options))
        return running[-1]

    monkeypatch.setattr(runner.subprocess, "Popen", popen)
    yield running
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def waiting_probe(tmp_path, monkeypatch):
    """In place of the probe, one that needs no model."""
    script = tmp_path / "probe.py"
    script.write_text(WAIT)
    monkeypatch.setattr(runner, "_PROBE", script)


@pytest.mark.usefixtures("waiting_probe")
def test_process_starts_before_it_is_known_what_the_model_is_asked(tmp_path, running):
    def gather():
        assert [process.poll() for process in running] == [None]
        return Questions([b"a"], {})

    report = run_check(tmp_path, gather, GENEROUS, image_feature=IMAGE)
    assert report.reasons == [["YQ=="]]


def test_process_ends_where_it_can_not_be_said_what_to_ask(sound_model, running):
    def fail():
        raise OSError("no examples")

    with pytest.raises(OSError, match="no examples"):
        run_check(sound_model, fail, GENEROUS, image_feature=IMAGE)
    assert [process.returncode for process in running] == [-9]


def test_a_model_is_tried_without_keras(tmp_path, monkeypatch):
    script = tmp_path / "probe"
    shutil.copytree(Path(runner.__file__).with_name("probe"), script)
    main = (script / "__main__.py").read_text()
    told = 'checks.reasons + [name for name in ("keras", "tensorflow") if name in sys.modules]'
    (script / "__main__.py").write_text(main.replace("checks.reasons", told))
    monkeypatch.setattr(runner, "_PROBE", script)
    report = check(tmp_path, [b""])
    assert report.reasons[-1:] == ["tensorflow"]
    assert "keras" not in report.reasons


def test_package_that_a_server_has_not_is_a_refusal_if_loaded_all_the_same(tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    report = {"reasons": [], "measures": {}, "blocked_but_loaded": ["tfx"]}
    script.write_text(f"print({json.dumps(json.dumps(report))})")
    monkeypatch.setattr(runner, "_PROBE", script)
    assert check(tmp_path, [b""]).reasons == ["it loads tfx, which a server has not"]


def test_limits_are_taken_out_of_a_larger_configuration():
    config = {**dataclasses.asdict(GENEROUS), "check": "process", "source": "0123"}
    assert Limits.of(config) == GENEROUS
