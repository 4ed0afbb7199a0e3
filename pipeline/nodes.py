"""The nodes of the graph by name, in the order in which they run.

Free of TFX, so that `--help` and wrong arguments are answered at once; a test holds the
names against the graph.
"""

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
