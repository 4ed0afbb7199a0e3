"""Tables of what runs came to: figures by slice, confusion, comparison, and the list of runs."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from components.evaluation import slicing
from components.evaluation.figures import Evaluation, Figures, Metrics
from pipeline import nodes
from pipeline.errors import UserError
from pipeline.runs.run_result import RunResult
from pipeline.screen.tables import Column, Table, Value
from trainer_module import features

SLICINGS = (features.LABEL, *slicing.PARTS)
"""What the figures are cut by: the class, or what no label gives."""

_EXAMPLES = Column("examples", "images", ",")
_ACCURACY = Column("accuracy", "accuracy", ".3f", "lowest")
_RECALL = replace(_ACCURACY, key="recall", heading="recall")
_LOSS = Column("loss", "loss", ".3f", "highest")
_TOP_2 = Column("top_2_accuracy", "top-2", ".3f", "lowest", spare=True)
_CALIBRATION = Column("calibration_error", "ECE", ".3f", "highest", spare=True)

_SLICE_COLUMNS = (_EXAMPLES, _ACCURACY, _LOSS, _TOP_2, _CALIBRATION)
_CLASS_COLUMNS = (
    _EXAMPLES,
    _RECALL,
    Column("precision", "precision", ".3f", "lowest"),
    Column("f1", "F1", ".3f", "lowest"),
    Column("auc", "AUC", ".3f", "lowest"),
    _LOSS,
    _TOP_2,
    _CALIBRATION,
    Column("most_confused_with", "confused\nwith"),
)
_OVERALL_COLUMNS = (
    _EXAMPLES,
    replace(_ACCURACY, form=".4f"),
    replace(_LOSS, form=".4f"),
    _TOP_2,
    _CALIBRATION,
    Column("macro_precision", "macro\nprecision", ".3f", "lowest"),
    Column("macro_recall", "macro\nrecall", ".3f", "lowest"),
    Column("macro_f1", "macro\nF1", ".3f", "lowest"),
    Column("macro_auc", "macro\nAUC", ".3f", "lowest"),
)
_RUN_COLUMNS = (
    Column("run", "run"),
    Column("started", ""),
    Column("dataset", "dataset", spare=True),
    Column("accuracy", "accuracy", ".4f", "lowest", spare=True),
    Column("verdict", "verdict"),
    Column("blessed", ""),
    Column("version", "version", "d", spare=True),
    # It has a sentence or more, for which a column is too narrow.
    Column("why_not_pushed", ""),
)

_COMPARED = ("accuracy", "recall", "f1", "loss")
"""What a person sees of a comparison; CSV and JSON have it all."""


def by_slice(figures: Figures, by: str, other: Figures | None = None) -> Table:
    """Makes a table of a model's figures, beside another's if there is one.

    Args:
        figures: have slices of this kind, as `has_slicing` says; so has `other`.
        by: one of `SLICINGS`.
        other: gives each figure two columns more: its own, and the change since.

    Returns:
        A row for each slice of either, in order. What one of them lacks is None.
    """
    columns = _CLASS_COLUMNS if by == features.LABEL else _SLICE_COLUMNS
    heading = "class" if by == features.LABEL else by
    these, others = _slices(figures, by), _slices(other, by) if other else {}
    rows = {name: (these.get(name), others.get(name)) for name in dict.fromkeys([*these, *others])}
    return _side_by_side(Column("slice", heading), columns, rows, compare=other is not None)


def has_slicing(figures: Figures, by: str) -> bool:
    """Whether figures were cut so; those of an earlier version were by class alone."""
    return bool(_slices(figures, by))


def require_figures(result: RunResult, slicing: str | None) -> Evaluation:
    """Returns a run's figures, which are to be of a kind.

    Args:
        result: of the run.
        slicing: what they are cut by, one of `SLICINGS`; None for the confusion matrix.

    Raises:
        UserError: it has none.
    """
    evaluation = result.evaluation
    if evaluation is None:
        raise UserError(_why_no_figures(result))
    if slicing is None and not evaluation.confusion:
        missing = "confusion matrix"
    elif slicing and not has_slicing(evaluation, slicing):
        missing = f"slices by {slicing}"
    else:
        return evaluation
    raise UserError(
        f"Run {result.run_id} has no {missing}: an earlier version evaluated it, so run the "
        "pipeline again."
    )


def _why_no_figures(result: RunResult) -> str:
    if result.running:
        return f"Run {result.run_id} has no figures yet: it is still at work."
    evaluator = result.components.get(nodes.EVALUATOR)
    began = evaluator is not None and evaluator.state not in ("waiting", "left out")
    what = "was cut off" if began else "did not begin"
    return (
        f"Run {result.run_id} has no figures, as its evaluation {what}: name another run, of those "
        "that `python -m pipeline.inspect runs` lists."
    )


def overall(figures: Figures, other: Figures | None = None) -> Table:
    """Makes a table as `by_slice` does, of one row, with the classes' macro averages."""
    rows = {"overall": (figures.overall, other.overall if other else None)}
    return _side_by_side(
        Column("slice", "slice"), _OVERALL_COLUMNS, rows, compare=other is not None
    )


def confusion(figures: Figures, other: Figures | None = None) -> Table:
    """Makes a table of the mistakes: images by true and predicted class, the most first.

    Args:
        figures: have a confusion matrix; so has `other`.
        other: gives two columns more: its images, and the change since.
    """
    columns = [
        Column("true", "true"),
        Column("predicted", "taken for"),
        Column("examples", "images", ",", "highest"),
        Column("share", "of the class", ".1%", "highest"),
    ]
    if other:
        columns += _since(columns[2])
    pairs = itertools.permutations(range(features.NUM_CLASSES), 2)
    rows = [_confusion_row(true, predicted, figures, other) for true, predicted in pairs]
    seen = [row for row in rows if row["examples"] or row["other_examples"]]
    return Table(columns, seen).sort("examples", descending=True)


def _confusion_row(
    true: int, predicted: int, figures: Figures, other: Figures | None
) -> dict[str, Value]:
    count, before = (one.confusion[true][predicted] if one else 0 for one in (figures, other))
    images = sum(figures.confusion[true])
    return {
        "true": features.CLASS_NAMES[true],
        "predicted": features.CLASS_NAMES[predicted],
        "examples": count,
        "share": count / images if images else None,
        "other_examples": before,
        "change_examples": count - before,
    }


def runs(results: Sequence[RunResult]) -> Table:
    """Makes a table of runs, in the order given."""
    return Table(_RUN_COLUMNS, [_run_row(result) for result in results])


def _run_row(result: RunResult) -> dict[str, Value]:
    evaluation = result.evaluation
    return {
        "run": result.run_id,
        "started": result.started.isoformat(timespec="seconds") if result.started else None,
        "dataset": result.dataset,
        "accuracy": evaluation.overall.accuracy if evaluation else None,
        "verdict": result.verdict.label,
        "blessed": evaluation.blessed if evaluation else None,
        "version": int(result.pushed.version) if result.pushed else None,
        "why_not_pushed": result.why_not_pushed,
    }


def _slices(figures: Figures, by: str) -> Mapping[str, Metrics]:
    return figures.classes if by == features.LABEL else figures.slices.get(by, {})


def _side_by_side(
    name: Column,
    columns: Sequence[Column],
    rows: Mapping[str, tuple[Metrics | None, Metrics | None]],
    *,
    compare: bool,
) -> Table:
    """Makes a row of each pair of metrics: of one model and, to compare, of another."""
    if compare:
        figures = [part for column in columns if column.worst for part in _triple(column)]
        widened = [name, _EXAMPLES, *figures]
    else:
        known = [metrics.intervals for metrics, _ in rows.values() if metrics]
        widened = [name]
        for column in columns:
            has_interval = any(_field(column) in intervals for intervals in known)
            widened += [column, *(_bounds(column) if has_interval else ())]
    cells = [{name.key: key, **_cells(columns, *pair)} for key, pair in rows.items()]
    return Table(widened, cells)


def _triple(column: Column) -> list[Column]:
    if column.key in _COMPARED:
        return [column, *_since(column)]
    # Of the others there is no room to be seen.
    return [replace(one, heading="") for one in (column, *_since(column))]


def _since(column: Column) -> list[Column]:
    """Columns of the other model's figure, and of the change."""
    other = replace(column, key=f"other_{column.key}", heading="other", worst=None)
    change = replace(column, key=f"change_{column.key}", heading="change", form=f"+{column.form}")
    return [other, change]


def _bounds(column: Column) -> list[Column]:
    """Columns of the 95 % confidence interval."""
    seen = column.key in ("accuracy", "recall")
    return [
        replace(column, key=f"{column.key}_{end}", heading=f"95 %\n{end}" if seen else "")
        for end in ("low", "high")
    ]


def _cells(
    columns: Sequence[Column], metrics: Metrics | None, other: Metrics | None
) -> dict[str, Value]:
    """Cells for each column, whatever is beside it."""
    cells: dict[str, Value] = {}
    for column in columns:
        key, field = column.key, _field(column)
        value, before = getattr(metrics, field, None), getattr(other, field, None)
        change = None
        # Of what has no worst, as a name, there is no difference.
        if column.worst and value is not None and before is not None:
            change = value - before
        low, high = metrics.intervals.get(field, (None, None)) if metrics else (None, None)
        cells |= {
            key: value,
            f"other_{key}": before,
            f"change_{key}": change,
            f"{key}_low": low,
            f"{key}_high": high,
        }
    return cells


def _field(column: Column) -> str:
    """The field of `Metrics`, in which a class's accuracy is its recall."""
    return "accuracy" if column.key == "recall" else column.key
