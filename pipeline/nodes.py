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
DRIFT_BASELINE = "DriftBaseline"
DRIFT_VALIDATOR = "DriftValidator"
DATA_GATE = "DataGate"
SPAN_WINDOW = "SpanWindow"
TRANSFORM = "Transform"
LEARNING_RATE_FINDER = "LearningRateFinder"
TRAINER = "Trainer"
BASELINE_RESOLVER = "BaselineResolver"
EVALUATOR = "Evaluator"
FIRST_SPAN = "FirstSpan"
FIRST_TEST_EVALUATOR = "FirstTestEvaluator"
SERVING_CHECK = "ServingCheck"
PUSHER = "Pusher"
REPORT = "Report"

NODES = (
    IMPORT_EXAMPLE_GEN,
    IMPORT_IMAGE_SCHEMA,
    IMPORT_SCHEMA_GEN,
    DRIFT_BASELINE,
    FIRST_SPAN,
    IMAGE_STATISTICS,
    STATISTICS_GEN,
    DRIFT_VALIDATOR,
    EXAMPLE_VALIDATOR,
    IMAGE_VALIDATOR,
    SCHEMA_GEN,
    SKEW_VALIDATOR,
    DATA_GATE,
    SPAN_WINDOW,
    TRANSFORM,
    LEARNING_RATE_FINDER,
    TRAINER,
    BASELINE_RESOLVER,
    FIRST_TEST_EVALUATOR,
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
    DRIFT_BASELINE: (IMPORT_EXAMPLE_GEN,),
    DRIFT_VALIDATOR: (IMAGE_STATISTICS, DRIFT_BASELINE),
    DATA_GATE: (
        *(IMPORT_EXAMPLE_GEN, EXAMPLE_VALIDATOR, IMAGE_STATISTICS, IMAGE_VALIDATOR),
        *(SKEW_VALIDATOR, DRIFT_VALIDATOR),
    ),
    SPAN_WINDOW: (IMPORT_EXAMPLE_GEN, DATA_GATE),
    TRANSFORM: (SPAN_WINDOW, IMPORT_SCHEMA_GEN, DATA_GATE),
    LEARNING_RATE_FINDER: (SPAN_WINDOW, TRANSFORM),
    TRAINER: (SPAN_WINDOW, IMPORT_SCHEMA_GEN, TRANSFORM, LEARNING_RATE_FINDER),
    BASELINE_RESOLVER: (TRAINER,),
    FIRST_SPAN: (IMPORT_EXAMPLE_GEN,),
    FIRST_TEST_EVALUATOR: (IMPORT_SCHEMA_GEN, TRAINER, FIRST_SPAN),
    EVALUATOR: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, TRAINER, BASELINE_RESOLVER),
    SERVING_CHECK: (IMPORT_EXAMPLE_GEN, TRAINER, EVALUATOR),
    PUSHER: (TRAINER, EVALUATOR, SERVING_CHECK),
    REPORT: (
        *(IMPORT_EXAMPLE_GEN, STATISTICS_GEN, IMAGE_STATISTICS, SKEW_VALIDATOR, DRIFT_VALIDATOR),
        DATA_GATE,
        *(LEARNING_RATE_FINDER, TRAINER, EVALUATOR, SERVING_CHECK, PUSHER),
    ),
}
"""The nodes whose outputs a node takes, or after which it runs.

Where there is no window of spans, those that read it read what ImportExampleGen makes.
"""

RESOLVERS = frozenset((BASELINE_RESOLVER, DRIFT_BASELINE, SPAN_WINDOW, FIRST_SPAN))
"""Those that look for what was made before; they are never cached."""

BESIDE = frozenset((IMAGE_STATISTICS,))
"""Those that take a processor to themselves for as long as another behind them takes the next."""

OF_SPANS = frozenset(
    (DRIFT_BASELINE, DRIFT_VALIDATOR, SPAN_WINDOW, FIRST_SPAN, FIRST_TEST_EVALUATOR)
)
"""Those that are there only where spans came before the newest."""


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
# TFMA is told of the metrics by name.
_EVALUATION = Code(
    ("components.evaluation.extractors", "components.evaluation.metrics"),
    libraries=("tfx", "apache-beam", "tensorflow", "tensorflow-model-analysis", "numpy"),
)

CODE: Mapping[str, Code] = {
    IMPORT_EXAMPLE_GEN: Code(
        ("components.bounded_import.executor",), libraries=("tfx", "apache-beam", "tensorflow")
    ),
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
    DRIFT_VALIDATOR: Code(libraries=_DATA),
    DATA_GATE: Code(("components.data_gate.executor",)),
    TRANSFORM: Code(
        ("trainer_module.preprocessing",),
        libraries=("tfx", "apache-beam", "tensorflow", "tensorflow-transform"),
    ),
    LEARNING_RATE_FINDER: Code(
        ("components.learning_rate_finder.component",), libraries=(*_TRAINING, "keras-tuner")
    ),
    TRAINER: Code(("trainer_module.run_fn",), libraries=_TRAINING),
    EVALUATOR: _EVALUATION,
    FIRST_TEST_EVALUATOR: _EVALUATION,
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
        ("tfx", "tensorflow", "tensorflow-model-analysis", "vl-convert-python"),
    ),
}
"""What each node runs, but for the resolvers, which are never cached.

What these modules import is found from their sources (`pipeline.fingerprint`). A module that is
named in a text and not imported has to stand here.
"""
