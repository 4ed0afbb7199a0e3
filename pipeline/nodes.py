"""The nodes of the graph by name, in the order in which they run.

Free of TFX, so that `--help` and wrong arguments are answered at once; a test holds the
names against the graph.
"""

IMPORT_EXAMPLE_GEN = "ImportExampleGen"
STATISTICS_GEN = "StatisticsGen"
SCHEMA_GEN = "SchemaGen"
IMPORT_SCHEMA_GEN = "ImportSchemaGen"
EXAMPLE_VALIDATOR = "ExampleValidator"
TRANSFORM = "Transform"
TRAINER = "Trainer"
BASELINE_RESOLVER = "BaselineResolver"
EVALUATOR = "Evaluator"
PUSHER = "Pusher"

NODES = (
    IMPORT_EXAMPLE_GEN,
    STATISTICS_GEN,
    SCHEMA_GEN,
    IMPORT_SCHEMA_GEN,
    EXAMPLE_VALIDATOR,
    TRANSFORM,
    TRAINER,
    BASELINE_RESOLVER,
    EVALUATOR,
    PUSHER,
)
