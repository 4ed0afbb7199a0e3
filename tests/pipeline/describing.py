"""Runs that left what ImageStatistics and the validators put out, without their having run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components import image_measures
from components.data_gate.findings import Finding, write_findings
from components.image_statistics.distributions import Distribution
from components.image_statistics.statistics import build_statistics
from components.image_statistics.tallies import Tally
from pipeline import nodes
from tests.pipeline import measuring
from trainer_module import features

MEASURED = anomalies_pb2.DriftSkewInfo.Measurement


def tally(classes: Mapping[str, int], ink: Sequence[float]) -> Tally:
    """Counts a split of such classes, and images covered so far, which are half as bright."""
    labels = [features.CLASS_NAMES.index(name) for name, n in classes.items() for _ in range(n)]
    measures = {
        name: Distribution.of(np.round(np.array(ink) * unit * part).astype(np.int64))
        for (name, unit), part in zip(image_measures.UNITS.items(), (1, 0.5), strict=True)
    }
    return Tally(len(labels), measures, Distribution.of(np.array(labels, np.int64)))


def write_statistics(directory: Path, splits: Mapping[str, Tally]) -> None:
    """Writes the statistics of splits as ImageStatistics does."""
    measuring.write(
        directory, {name: build_statistics(one).datasets[0] for name, one in splits.items()}
    )


def write_distance(directory: Path, pair: str, feature: str, value: float, bound: float) -> None:
    """Writes a Jensen–Shannon divergence as DistributionValidator does."""
    found = anomalies_pb2.Anomalies()
    info = found.drift_skew_info.add()
    info.path.step.append(feature)
    info.drift_measurements.add(
        type=MEASURED.JENSEN_SHANNON_DIVERGENCE, value=value, threshold=bound
    )
    place = directory / f"SplitPair-{pair}"
    place.mkdir(parents=True)
    (place / "SchemaDiff.pb").write_bytes(found.SerializeToString())


def write_outputs(
    directory: Path,
    splits: Mapping[str, Tally],
    findings: Sequence[Finding] | None = (),
    drift: float | None = None,
) -> dict[tuple[str, str], Path]:
    """Writes what the nodes up to the gate put out, in a directory of a run.

    Args:
        directory: where to.
        splits: what was counted.
        findings: None of a gate that did not let the data pass.
        drift: how far `train` is from that of the span before; None if there is none.

    Returns:
        The directory of each output, by node and key.
    """
    outputs = {
        (nodes.IMPORT_EXAMPLE_GEN, "examples"): directory / "examples",
        (nodes.IMAGE_STATISTICS, "statistics"): directory / "statistics",
        (nodes.SKEW_VALIDATOR, "anomalies"): directory / "skew",
    }
    write_statistics(directory / "statistics", splits)
    write_distance(directory / "skew", "test_train", "ink", 0.25, 0.05)
    if drift is not None:
        outputs[nodes.DRIFT_VALIDATOR, "anomalies"] = directory / "drift"
        write_distance(directory / "drift", "train_train", "ink", drift, 0.05)
    if findings is not None:
        outputs[nodes.DATA_GATE, "blessing"] = directory / "blessing"
        (directory / "blessing").mkdir()
        write_findings(directory / "blessing", findings)
    return outputs
