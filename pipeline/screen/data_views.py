"""Tables of what is in a run's data, beside that of another run: classes, buckets, distances."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from components.data_gate.anomalies import Distance
from components.image_statistics.description import Description
from components.image_statistics.distances import measure_distances
from components.image_statistics.labels import CLASS
from pipeline.runs.run_data import RunData
from pipeline.screen.tables import Column, Table, Value

_ROW_COLUMNS = (
    *(Column("split", "split"), Column("feature", "feature"), Column("class", "class")),
    *(Column("low", "low", ".3f"), Column("high", "high", ".3f")),
    *(Column("examples", "images", ","), Column("share", "share", ".1%")),
)
_COMPARED_COLUMNS = (
    Column("other_examples", "other", ","),
    Column("other_share", "other", ".1%"),
    Column("change_share", "change", "+.1%"),
)
_DISTANCE_COLUMNS = (
    *(
        Column("feature", "measure"),
        Column("split", "split"),
        Column("compared_with", "with that of"),
    ),
    *(Column("distance", "distance"), Column("value", "is", ".4f")),
    *(Column("bound", "may be", ".3g"), Column("too_far", "too far")),
)
_Splits = Mapping[str, Description]


def rows(splits: _Splits, others: _Splits | None = None) -> Table:
    """Makes a table of everything that was counted, for programs: a row a class and a bucket.

    Args:
        splits: what there is in each.
        others: the same of another run; gives three columns more.
    """
    columns = [*_ROW_COLUMNS, *(_COMPARED_COLUMNS if others is not None else ())]
    found = []
    for split, description in splits.items():
        before = {_key(one): one for one in _rows(split, (others or {}).get(split))}
        for row in _rows(split, description):
            other = before.get(_key(row), {"examples": None, "share": None})
            changes = {
                "other_examples": other["examples"],
                "other_share": other["share"],
                "change_share": _subtract(row["share"], other["share"]),
            }
            found.append({**row, **changes})
    return Table(columns, found)


def _rows(split: str, description: Description | None) -> Iterator[dict[str, Value]]:
    if description is None:
        return
    empty: dict[str, Value] = {"split": split, "class": None, "low": None, "high": None}
    for name, count in description.classes.items():
        share = description.shares[name]
        yield {**empty, "feature": CLASS, "class": name, "examples": count, "share": share}
    for name, measured in description.measures.items():
        buckets = zip(pairwise(measured.edges), measured.counts, measured.shares, strict=True)
        for (low, high), count, share in buckets:
            bucket = {"low": low, "high": high, "examples": count, "share": share}
            yield {**empty, "feature": name, **bucket}


def _key(row: Mapping[str, Value]) -> tuple[Value, ...]:
    return tuple(row[name] for name in ("feature", "class", "low", "high"))


def classes(splits: _Splits, others: _Splits | None = None) -> Table:
    """Makes a table of the classes by split for a person: counts and shares, or shares and changes.

    Args:
        splits: what there is in each.
        others: the same of another run.
    """
    columns = [Column(CLASS, CLASS)]
    for split in splits:
        share = Column(f"{split}_share", f"{split}\nshare" if others else "share", ".1%")
        if others is None:
            columns += [Column(split, split, ","), share]
        else:
            other = Column(f"{split}_other", "\nother", ".1%")
            columns += [share, other, Column(f"{split}_change", "\nchange", "+.1%")]
    names = dict.fromkeys(
        name for part in (splits, others or {}) for one in part.values() for name in one.classes
    )
    cells = [{CLASS: name, **_class_cells(name, splits, others or {})} for name in names]
    sums: dict[str, Value] = dict.fromkeys(column.key for column in columns)
    if others is None:
        sums.update({split: one.examples for split, one in splits.items()})
        cells.append({**sums, CLASS: "all images"})
    return Table(columns, cells)


def _class_cells(name: str, splits: _Splits, others: _Splits) -> dict[str, Value]:
    cells: dict[str, Value] = {}
    for split, one in splits.items():
        # Without a label there is no share; a class that one of the runs has not seen has none.
        share = one.shares.get(name, 0.0) if one.classes else None
        other = others.get(split)
        before = other.shares.get(name, 0.0) if other and other.classes else None
        cells[split], cells[f"{split}_share"] = one.classes.get(name, 0), share
        cells[f"{split}_other"] = before
        cells[f"{split}_change"] = _subtract(share, before)
    return cells


def distances(data: RunData, other: RunData | None = None, name: str = "") -> Table:
    """Makes a table of how far splits are apart, and how far they may be.

    Args:
        data: of a run.
        other: of another one, to which the distances are measured here, and have no bound.
        name: what the other one is called.
    """
    found = [*_distance_rows(data.skew), *_distance_rows(data.drift, " before")]
    for split in data.splits if other else ():
        before = other.splits.get(split) if other else None
        apart = measure_distances(data.splits[split], before) if before else {}
        for feature, (distance, value) in apart.items():
            row = _distance_row(feature, split, f"{name}'s {split}", distance, value)
            found.append(row)
    return Table(_DISTANCE_COLUMNS, found)


def _distance_rows(measured: Sequence[Distance], when: str = "") -> Iterator[dict[str, Value]]:
    for one in measured:
        row = _distance_row(one.feature, one.split, one.baseline + when, one.name, one.value)
        yield {**row, "bound": one.bound, "too_far": one.too_far}


def _distance_row(
    feature: str, split: str, compared_with: str, distance: str, value: float
) -> dict[str, Value]:
    return {
        "feature": feature,
        "split": split,
        "compared_with": compared_with,
        "distance": distance,
        "value": value,
        "bound": None,
        "too_far": None,
    }


def _subtract(value: Value, before: Value) -> float | None:
    if isinstance(value, float) and isinstance(before, float):
        return value - before
    return None
