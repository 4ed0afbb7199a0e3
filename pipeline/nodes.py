"""The nodes of the graph by name, in the order in which they run, and what each waits for.

Free of TFX, so that `--help` and wrong arguments are answered at once; a test holds all of
it against the graph.
"""

from collections.abc import Mapping

IMPORT_EXAMPLE_GEN = "ImportExampleGen"
IMPORT_SCHEMA_GEN = "ImportSchemaGen"
STATISTICS_GEN = "StatisticsGen"
EXAMPLE_VALIDATOR = "ExampleValidator"
SCHEMA_GEN = "SchemaGen"
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
    IMPORT_SCHEMA_GEN,
    STATISTICS_GEN,
    EXAMPLE_VALIDATOR,
    SCHEMA_GEN,
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
    TRANSFORM: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, EXAMPLE_VALIDATOR),
    LEARNING_RATE_FINDER: (IMPORT_EXAMPLE_GEN, TRANSFORM),
    TRAINER: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, TRANSFORM, LEARNING_RATE_FINDER),
    BASELINE_RESOLVER: (TRAINER,),
    EVALUATOR: (IMPORT_EXAMPLE_GEN, IMPORT_SCHEMA_GEN, TRAINER, BASELINE_RESOLVER),
    SERVING_CHECK: (IMPORT_EXAMPLE_GEN, TRAINER, EVALUATOR),
    PUSHER: (TRAINER, EVALUATOR, SERVING_CHECK),
    REPORT: (
        *(IMPORT_EXAMPLE_GEN, STATISTICS_GEN, EXAMPLE_VALIDATOR, LEARNING_RATE_FINDER, TRAINER),
        *(EVALUATOR, SERVING_CHECK, PUSHER),
    ),
}
"""The nodes whose outputs a node takes, or after which it runs."""
