"""Times the Evaluator with this project's metrics against TFMA's own, class by class.

    python -m benchmarks.evaluator --root output

Evaluates the newest model of that root on its test split, as the pipeline does. TFMA's side
has what its guides advise for a classifier: counts, accuracy, loss and confusion matrix, and
precision, recall and AUC of each class against the rest, overall and by class. Ours has more
figures and more slices. The sides take turns in one process; the medians of their times are
printed, and of the ratios to TFMA's in the same round.
"""

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

# As the pipeline's own process has it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from benchmarks.compare.textbook.pipeline import build_eval_config
from benchmarks.input_path import newest
from components.evaluation import extractors
from pipeline import evaluation
from pipeline.config import Config
from pipeline.engine.beam.arguments import make_arguments
from trainer_module.tfx_internals import (
    artifact_utils,
    base_beam_executor,
    evaluator_executor,
    standard_artifacts,
)

TFMA = "TFMA's own metrics"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("output"), help="of an earlier run")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    # TFMA divides by the examples of other classes, which a slice by class does not have.
    warnings.simplefilter("ignore", RuntimeWarning)
    ours = evaluation.build_eval_config(Config().evaluation)
    sides = {TFMA: (tfma_config(ours), None), "ours": (ours, extractors.__name__)}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, side in sides.items():
            times[name].append(clock(arguments.root / "artifacts", *side))
    print(f"{'seconds an evaluation':24}{'median':>8}{'ratio':>8}")
    for name, seconds in times.items():
        ratios = [mine / theirs for mine, theirs in zip(seconds, times[TFMA], strict=True)]
        print(f"{name:24}{statistics.median(seconds):8.1f}{statistics.median(ratios):8.2f}")


def tfma_config(ours: config_pb2.EvalConfig) -> config_pb2.EvalConfig:
    """The same model and classes by TFMA's own metrics."""
    theirs = build_eval_config()
    del theirs.model_specs[:]
    theirs.model_specs.extend(ours.model_specs)
    return theirs


def clock(artifacts: Path, config: config_pb2.EvalConfig, module: str | None) -> float:
    """Returns the seconds that TFX's Evaluator takes for it."""
    examples = standard_artifacts.Examples()
    examples.uri = str(newest(artifacts / "ImportExampleGen" / "examples"))
    examples.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    model, curated = standard_artifacts.Model(), standard_artifacts.Schema()
    model.uri = str(newest(artifacts / "Trainer" / "model"))
    curated.uri = str(newest(artifacts / "ImportSchemaGen" / "schema"))
    inputs = {"examples": [examples], "model": [model], "schema": [curated]}
    # As `tfx.components.Evaluator` makes them of its arguments.
    properties = {
        "eval_config": json_format.MessageToJson(config, preserving_proto_field_name=True),
        "example_splits": json.dumps(["test"]),
        "module_path": module,
        "fairness_indicator_thresholds": "null",
    }
    with tempfile.TemporaryDirectory() as directory:
        outputs = {
            "evaluation": [standard_artifacts.ModelEvaluation()],
            "blessing": [standard_artifacts.ModelBlessing()],
        }
        for key, [artifact] in outputs.items():
            artifact.uri = str(Path(directory, key))
        run = evaluator_executor.Executor(
            base_beam_executor.BaseBeamExecutor.Context(
                beam_pipeline_args=make_arguments(Config()), tmp_dir=directory, unique_id="1"
            )
        )
        start = time.perf_counter()
        run.Do(inputs, outputs, properties)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
