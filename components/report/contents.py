"""What a page tells, as data. Free of TensorFlow, so that a page can be made without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.data_gate.anomalies import Distance
from components.data_gate.findings import Finding
from components.evaluation.figures import Evaluation
from components.evaluation.mistakes import Mistake
from components.image_statistics.description import Description
from components.verdict import Verdict
from trainer_module.provenance import Provenance

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2

REPORT_FILE = "report.html"
"""A run's page, in the artifact's directory and in the run's."""

INDEX_FILE = "index.html"
"""The list of the runs, in their root."""


MODEL_DIRECTORY = "Format-Serving"
"""The SavedModel, in the directory of the Trainer's model: TFX names it so."""

_TRAINING = ("model", "augmentation", "training", "learning_rate")
"""The groups of settings that a model tells of itself."""


@dataclass(frozen=True)
class Artifact:
    """An artifact of the run, as ML Metadata knows it.

    Attributes:
        id: its number there.
        type: the name of its type.
        uri: its directory.
        properties: its custom properties, numbers and text.
    """

    id: int
    type: str
    uri: str
    properties: Mapping[str, int | str]

    @classmethod
    def of(cls, proto: "metadata_store_pb2.Artifact", type_name: str) -> "Artifact":
        """Takes over what ML Metadata's own `Artifact` says."""
        properties = {
            name: getattr(value, value.WhichOneof("value"))
            for name, value in proto.custom_properties.items()
            if value.WhichOneof("value") in ("int_value", "string_value")
        }
        return cls(proto.id, type_name, proto.uri, properties)


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run from its start.

    Attributes:
        run: the id of the run that wrote the page.
        dataset: the name of the directory with its records.
        configuration: every setting, by group.
        flags: of `python -m pipeline.serving`, to name the serving directory.
        serving_dir: where versions go, as `deploy/compose.yaml` takes it.
        notes: what there is to know besides, a sentence each.
    """

    run: str
    dataset: str = ""
    configuration: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    flags: str = ""
    serving_dir: str = ""
    notes: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class TrainingHistory:
    """How the model was trained; the fields of the Trainer's summary, and its history.

    Attributes:
        history: a value an epoch under `loss`, `accuracy`, the same on eval under `val_…`, and
            under `learning_rate`.
    """

    parameters: int
    learning_rate: float
    epochs: int
    best_epoch: int
    exported_epoch: int
    eval_accuracy: float
    eval_loss: float
    history: Mapping[str, Sequence[float]]
    device: str = ""


@dataclass(frozen=True)
class RangeTest:
    """The learning-rate finder's curve and pick; None in the lists stands for NaN."""

    learning_rate: float
    steepest: float | None
    minimum: float | None
    warning: str | None
    rates: Sequence[float]
    losses: Sequence[float | None]
    smoothed: Sequence[float | None]


@dataclass(frozen=True)
class FeatureStatistics:
    """A feature in a split; `detail` is a phrase on its values."""

    split: str
    feature: str
    type: str
    examples: int
    missing: int
    detail: str


@dataclass(frozen=True)
class Page:
    """All that a run's page tells; what the run did not come to is None or empty.

    Attributes:
        problem: why there is no evaluation, where that is known; a sentence.
        mistakes: those that the model is most sure of, the surest first.
        images: what there is in each split; empty where the run did not measure it.
        skew: how far the splits are apart.
        drift: how far each is from that of the span before.
        samples: PNGs of the test split by class.
        data_findings: of the data gate; None where the run did not get there.
        measures: of the serving check, by the names in `serving_check.findings.Findings`.
        version: the model's in the serving directory.
        artifacts: by the name of the output.
        provenance: what made the model; None also where the model does not tell.
        libraries: versions by name, of those that wrote the page.
    """

    facts: RunFacts
    verdict: Verdict
    evaluation: Evaluation | None = None
    problem: str | None = None
    training: TrainingHistory | None = None
    range_test: RangeTest | None = None
    mistakes: Sequence[Mistake] = ()
    statistics: Sequence[FeatureStatistics] = ()
    images: Mapping[str, Description] = field(default_factory=dict)
    skew: Sequence[Distance] = ()
    drift: Sequence[Distance] = ()
    samples: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    data_findings: Sequence[Finding] | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    version: str | None = None
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    provenance: Provenance | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> Sequence[str]:
        """All classes that a split has, or could have, in order."""
        return list(dict.fromkeys(name for one in self.images.values() for name in one.classes))

    @property
    def has_model(self) -> bool:
        """Whether the run came to a model, be it one that tells nothing of itself."""
        return "model" in self.artifacts

    @property
    def dataset(self) -> str:
        """What the model was trained on, empty if it does not tell; the run's without a model."""
        if self.has_model:
            return self.provenance.dataset if self.provenance else ""
        return self.facts.dataset

    @property
    def configuration(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings of the run by group, without those that are for its model to tell."""
        told = _TRAINING if self.has_model else ()
        return {name: one for name, one in self.facts.configuration.items() if name not in told}


@dataclass(frozen=True)
class RunEntry:
    """A run in the list of the runs.

    Attributes:
        started: date and time, for people.
        verdict: a word or two.
        reason: why it was refused or failed; empty otherwise.
        link: to its page, relative to the list; None where it has none.
    """

    run: str
    started: str
    dataset: str
    accuracy: float | None
    verdict: str
    version: str | None
    reason: str
    link: str | None
