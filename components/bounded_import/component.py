"""TFX's ImportExampleGen, with an executor that holds no split in memory."""

from components.bounded_import.executor import Executor
from trainer_module.tfx_internals import ImportExampleGen, executor_spec


class BoundedImport(ImportExampleGen):
    """Takes in TFRecords as ImportExampleGen does, by its driver, spans and versions included.

    The output is ImportExampleGen's: `Examples`, gzipped TFRecords of each split. They have the
    order that they had, and no file has more than `executor.EXAMPLES_PER_FILE`.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
