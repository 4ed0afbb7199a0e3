"""The nodes of the graph by name, in the order in which they run, what each waits for and runs.

Free of TFX, so that `--help` and wrong arguments are answered at once; a test holds all of
it against the graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass

IMPORT_EXAMPLE_GEN = "ImportExampleGen"
IMPORT_SCHEMA_GEN = "ImportSchemaGen"
STATISTICS_GEN = "StatisticsGen"
EXAMPLE_VALIDATOR = "ExampleValidator"
SCHEMA_GEN = "SchemaGen"
IMAGE_STATISTICS = "ImageStatistics"
IMPORT_IMAGE_SCHEMA = "ImportImageSchema"
IMAGE_VALIDATOR = "ImageValidator"
SKEW_VALIDATOR = "SkewValidator"
DATA_GATE = "DataGate"
TRANSFORM = "Transform"
LEARNING_RATE_FINDER = "LearningRateFinder"
TRAINER = "Trainer"
BASELINE_RESOLVER = "BaselineResolver"
EVALUATOR = "Evaluator"
SERVING_CHECK = "ServingCheck"
PUSHER = "Pusher"
REPORT = "Report"

NODES = (
    IMPORT_EXAMPLE_GEN,
    IMPORT_IMAGE_SCHEMA,
    IMPORT_SCHEMA_GEN,
    IMAGE_STATISTICS,
    STATISTICS_GEN,
    EXAMPLE_VALIDATOR,
    IMAGE_VALIDATOR,
    SCHEMA_GEN,
    SKEW_VALIDATOR,
    DATA_GATE,
    TRANSFORM,
    LEARNING_RATE_FINDER,
    TRAINER,
    BASELINE_RESOLVER,
    EVALUATOR,
    SERVING_CHECK,
    PUSHER,
    REPORT,
)

UPSTREAM: Mapping[str, tuple[str, ...]] = {
    IMPORT_EXAMPLE_GEN: (),
    IMPORT_SCHEMA_GEN: (),
    STATISTICS_GEN: (IMPORT_EXAMPLE_GEN,),
    EXAMPLE_VALIDATOR: (STATISTICS_GEN, IMPORT_SCHEMA_GEN),
    SCHEMA_GEN: (STATISTICS_GEN,),
    IMPORT_IMAGE_SCHEMA: (),
    IMAGE_STATISTICS: (IMPORT_EXAMPLE_GEN,),
    IMAGE_VALIDATOR: (IMAGE_STATISTICS, IMPORT_IMAGE_SCHEMA),
    SKEW_VALIDATOR: (IMAGE_STATISTICS,),
    DATA_GATE: (
        *(IMPORT_EXAMPLE_GEN, EXAMPLE_VALIDATOR, IMAGE_STATISTICS, IMAGE_VALIDATOR),
        SKEW_VALIDATOR,
    ),
    TRANSFORM: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, DATA_GATE),
    LEARNING_RATE_FINDER: (IMPORT_EXAMPLE_GEN, TRANSFORM),
    TRAINER: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, TRANSFORM, LEARNING_RATE_FINDER),
    BASELINE_RESOLVER: (TRAINER,),
    EVALUATOR: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, TRAINER, BASELINE_RESOLVER),
    SERVING_CHECK: (IMPORT_EXAMPLE_GEN, TRAINER, EVALUATOR),
    PUSHER: (TRAINER, EVALUATOR, SERVING_CHECK),
    REPORT: (
        *(IMPORT_EXAMPLE_GEN, STATISTICS_GEN, DATA_GATE, LEARNING_RATE_FINDER, TRAINER),
        *(EVALUATOR, SERVING_CHECK, PUSHER),
    ),
}
"""The nodes whose outputs a node takes, or after which it runs."""


@dataclass(frozen=True)
class Code:
    """What a node runs.

    Attributes:
        modules: of this project, in which it begins, as TFX names them by a dotted path.
        files: patterns of what it reads of this project besides, from the checkout.
        libraries: those that decide what comes out, as packages are named.
    """

    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ("tfx",)


_DATA = ("tfx", "apache-beam", "tensorflow-data-validation")
_TRAINING = ("tfx", "tensorflow", "keras", "tensorflow-transform", "numpy")

CODE: Mapping[str, Code] = {
    IMPORT_EXAMPLE_GEN: Code(libraries=("tfx", "apache-beam")),
    IMPORT_SCHEMA_GEN: Code(),
    STATISTICS_GEN: Code(libraries=_DATA),
    EXAMPLE_VALIDATOR: Code(libraries=_DATA),
    SCHEMA_GEN: Code(libraries=_DATA),
    IMPORT_IMAGE_SCHEMA: Code(),
    IMAGE_STATISTICS: Code(
        ("components.image_statistics.executor",), libraries=(*_DATA, "tensorflow", "numpy")
    ),
    IMAGE_VALIDATOR: Code(libraries=_DATA),
    SKEW_VALIDATOR: Code(libraries=_DATA),
    DATA_GATE: Code(("components.data_gate.executor",)),
    TRANSFORM: Code(
        ("trainer_module.preprocessing",),
        libraries=("tfx", "apache-beam", "tensorflow", "tensorflow-transform"),
    ),
    LEARNING_RATE_FINDER: Code(
        ("components.learning_rate_finder.component",), libraries=(*_TRAINING, "keras-tuner")
    ),
    TRAINER: Code(("trainer_module.run_fn",), libraries=_TRAINING),
    # TFMA is told of the metrics by name.
    EVALUATOR: Code(
        ("components.evaluation.extractors", "components.evaluation.metrics"),
        libraries=("tfx", "apache-beam", "tensorflow", "tensorflow-model-analysis", "numpy"),
    ),
    # The probe is run as a directory.
    SERVING_CHECK: Code(
        ("components.serving_check.executor",),
        ("components/serving_check/probe/*.py",),
        ("tfx", "tensorflow"),
    ),
    PUSHER: Code(("components.atomic_pusher.executor",), libraries=("tfx", "tensorflow")),
    REPORT: Code(
        ("components.report.executor",),
        ("components/report/templates/*.html", "components/report/templates/*.css"),
        ("tfx", "tensorflow", "tensorflow-model-analysis", "altair", "vl-convert-python"),
    ),
}
"""What each node runs, but for the baseline resolver, which is never cached.

What these modules import is found from their sources (`pipeline.fingerprint`). A module that is
named in a text and not imported has to stand here.
"""
