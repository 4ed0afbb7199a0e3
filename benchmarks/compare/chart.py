"""The comparison as a picture."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.compare.figures import Measured, Run
from pipeline import nodes

_PIPELINES = ("textbook", "ours", "lean")
_TRAININGS = ("keras", "torch", "bfloat16", "training")

_COLOURS = {
    "start and end": "#bbbbbb",
    "data": "#009e73",
    "transform": "#e69f00",
    "learning rate": "#56b4e9",
    "training": "#0072b2",
    "evaluation": "#d55e00",
    "serving, report": "#cc79a7",
}
"""The parts of a run, in colours that stay apart without colour vision too (Okabe & Ito 2008)."""

_PARTS = {
    nodes.TRANSFORM: "transform",
    nodes.LEARNING_RATE_FINDER: "learning rate",
    nodes.TRAINER: "training",
    nodes.EVALUATOR: "evaluation",
    **dict.fromkeys((nodes.SERVING_CHECK, nodes.PUSHER, nodes.REPORT), "serving, report"),
}
"""What components are for; all others look at the data."""

_GREY, _DPI, _BAR = "#767676", 130, 0.62


def draw(measured: Measured, file: Path) -> None:
    """Draws whole runs by their parts, and an epoch of each training; medians over the rounds.

    Args:
        measured: what was measured; what of it there is not is not drawn.
        file: where the picture goes; its suffix names the format, PNG or SVG.
    """
    pipelines = {
        measured.titles[side]: _part(measured.runs[side])
        for side in _PIPELINES
        if measured.runs.get(side)
    }
    epochs = {
        measured.titles[side]: {"training": statistics.median(known)}
        for side in _TRAININGS
        if (known := [run.epoch for run in measured.runs.get(side, ()) if run.epoch])
    }
    bars = {"seconds of a whole run": pipelines, "seconds of an epoch": epochs}
    drawn = {label: found for label, found in bars.items() if found}
    heights = [len(found) + 1.5 for found in drawn.values()]
    figure = Figure(figsize=(9, 0.5 * sum(heights) or 1), layout="constrained")
    if drawn:
        panels = figure.subplots(len(drawn), squeeze=False, height_ratios=heights)
        for [axes], (label, found) in zip(panels, drawn.items(), strict=True):
            _draw(axes, found, label)
    figure.savefig(file, dpi=_DPI)


def _part(runs: Sequence[Run]) -> dict[str, float]:
    """The median of the seconds of each part of a pipeline's run."""
    found = dict.fromkeys(_COLOURS, 0.0)
    found["start and end"] = statistics.median(run.start_and_end or 0.0 for run in runs)
    for name in dict.fromkeys(name for run in runs for name in run.shares):
        seconds = statistics.median(run.shares.get(name, 0.0) for run in runs)
        found[_PARTS.get(name, "data")] += seconds
    return found


def _draw(axes: Axes, bars: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Draws a bar of parts for each title; it tells how many times as long as the first it is."""
    totals = [sum(parts.values()) for parts in bars.values()]
    left = [0.0] * len(bars)
    drawn = [part for part in _COLOURS if any(part in parts for parts in bars.values())]
    for part in drawn:
        widths = [parts.get(part, 0.0) for parts in bars.values()]
        axes.barh([*bars], widths, _BAR, left, color=_COLOURS[part], label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for row, total in enumerate(totals):
        text = f" {total:.1f} s" + (f" ({total / totals[0]:.2f})" if row else "")
        axes.text(total, row, text, va="center", color=_GREY)
    if len(drawn) > 1:
        axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    axes.set_xlabel(label)
    axes.set_xlim(right=1.2 * max(totals))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
