"""The settings of how a run goes, whatever it makes."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import pydantic
from pydantic import Field

from pipeline.config.group import Count, Group

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}")

_Name = Literal["local", "prism", "flink", "spark", "dataflow", "portable"]

ENGINES: tuple[str, ...] = get_args(_Name)


@dataclass(frozen=True)
class _For:
    """Marks a setting that only some engines go by."""

    engines: frozenset[str]


_PORTABLE = frozenset({"prism", "flink", "spark", "portable"})
"""Those that a job is given to by Beam's portable protocol, and that then look for workers."""

_OfPortable = Annotated[str | None, _For(_PORTABLE)]
_OfDataflow = Annotated[str | None, _For(frozenset({"dataflow"}))]


class Engine(Group):
    """Where the Beam stages run, and who their workers are."""

    name: _Name = Field(
        "local",
        description="Engine that runs the Beam stages: this machine (`local`), one that is named, "
        "or any with a Beam job server (`portable`).",
    )
    address: _OfPortable = Field(
        None,
        description="`host:port` of the engine's job server; `portable` needs one, and for "
        "`prism`, `flink` and `spark` Beam fetches and starts one if not given.",
    )
    environment: Annotated[Literal["loopback", "pool", "docker"] | None, _For(_PORTABLE)] = Field(
        None,
        description="Where the engine finds its Python workers: in the run's own process "
        "(`loopback`), in a worker pool that runs already (`pool`), or in containers (`docker`); "
        "if not given, `loopback` for `prism` and `portable`, and Beam's choice for the others.",
    )
    pool_address: _OfPortable = Field(
        None, description="`host:port` of the worker pool, as the engine reaches it (`pool`)."
    )
    image: Annotated[str | None, _For(_PORTABLE | {"dataflow"})] = Field(
        None,
        description="Container image of the workers (`docker` and `dataflow`); Beam's own, which "
        "has no TFX, if not given.",
    )
    workers: Annotated[Count, _For(frozenset(ENGINES) - {"prism"})] = Field(
        1,
        description="Number of workers: processes (`local`), parallelism (`flink`), processes on "
        "each node (`spark`, `portable`), or the most that there may be (`dataflow`).",
    )
    staging: Annotated[str | None, _For(frozenset({"flink", "spark", "dataflow"}))] = Field(
        None,
        description="Directory or URL for what goes to the workers and for temporary files; "
        "`dataflow` needs one.",
    )
    project: _OfDataflow = Field(None, description="Google Cloud project (`dataflow`).")
    region: _OfDataflow = Field(None, description="Google Cloud region (`dataflow`).")

    @pydantic.field_validator("address", "pool_address")
    @classmethod
    def _check_address(cls, given: str | None) -> str | None:
        if given is not None and not _ADDRESS.fullmatch(given):
            raise ValueError(f"{given!r} is no host:port, such as localhost:8073")
        return given

    @pydantic.model_validator(mode="after")
    def _check_contradictions(self) -> "Engine":
        """Refuses what is missing for the engine, and what another choice would be needed for."""
        by = f'name = "{self.name}"'
        if self.name == "portable" and not self.address:
            raise ValueError(f"{by} needs address, the host:port of the job server")
        if self.name == "dataflow":
            for key in ("project", "region", "staging"):
                if not getattr(self, key):
                    raise ValueError(f"{by} needs {key}")
        if self.name == "prism" and self.workers > 1:
            raise ValueError(f"workers = {self.workers}, but Prism starts one: set it to 1")
        if self.name in _PORTABLE:
            self._check_environment()
        return self

    def _check_environment(self) -> None:
        if self.environment == "pool" and not self.pool_address:
            raise ValueError('environment = "pool" needs pool_address, the host:port of the pool')
        if self.pool_address and self.environment != "pool":
            raise ValueError('pool_address is for environment = "pool": set both, or none')
        if self.image and self.environment != "docker":
            raise ValueError('image is for environment = "docker": set both, or none')

    def without_effect(self) -> list[str]:
        """The settings that the engine does not go by."""
        return [
            name
            for name, field in type(self).model_fields.items()
            for mark in field.metadata
            if isinstance(mark, _For) and self.name not in mark.engines
        ]


class Beam(Group):
    """How Apache Beam runs the data stages, beyond what `engine` says."""

    args: tuple[str, ...] = Field(
        (),
        description="Arguments for Apache Beam, after those that follow from `engine`: the later "
        "holds.",
    )


class Run(Group):
    """How components are run."""

    side_by_side: bool = Field(
        True,
        description="Whether ImageStatistics runs beside StatisticsGen, in a process of its own, "
        "where Beam runs in this one and there are two processors; off, a run takes less memory "
        "at once.",
    )

    # None that trains such a network comes near it, and one that hangs does not stay for ever.
    component_timeout_min: float = Field(
        1440,
        gt=0,
        description="Time limit for each component, and each step before the first, in minutes; "
        "what takes longer is ended, with what it was at in the log.",
    )
