"""The settings of how a run goes, whatever it makes."""

from pydantic import Field

from pipeline.config.group import Group


class Beam(Group):
    """How Apache Beam runs the data stages."""

    # Beam's multi_processing mode adds nine seconds to each stage at this size.
    args: tuple[str, ...] = Field(
        (
            # Beam's local runner itself: by the name of DirectRunner, Beam first tries Prism, and
            # downloads that program.
            "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
            "--direct_running_mode=in_memory",
            "--direct_num_workers=1",
        ),
        description="Arguments for Apache Beam.",
    )


class Run(Group):
    """How long a run may take."""

    # None that trains such a network comes near it, and one that hangs does not stay for ever.
    component_timeout_min: float = Field(
        1440,
        gt=0,
        description="Time limit for each component, and each step before the first, in minutes; "
        "what takes longer is ended, with what it was at in the log.",
    )
