"""Pictures of a training: its curves, and the curve of the learning-rate finder."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainer_module.checkpoints import History
from trainer_module.learning_rate_finder import Curve, Finding
from trainer_module.loss_range import loss_range

# Two colours that stay apart without colour vision too (Okabe & Ito 2008).
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#767676"
_DPI = 130


def plot_history(history: History, exported_epoch: int, file: Path) -> None:
    """Draws loss, accuracy and learning rate by epoch.

    Args:
        history: of the training.
        exported_epoch: the epoch, from 1, whose weights are exported; it is marked.
        file: where the picture goes; its suffix names the format, PNG or SVG.
    """
    figure = Figure(figsize=(9, 6.2), layout="constrained")
    axes = figure.subplot_mosaic(
        [["loss", "accuracy"], ["learning_rate", "learning_rate"]], height_ratios=(2, 1)
    )
    epochs = range(1, len(history["loss"]) + 1)
    for metric, ylabel in {"loss": "cross-entropy (nats)", "accuracy": "accuracy"}.items():
        values = history[f"val_{metric}"]
        axes[metric].plot(epochs, history[metric], color=_BLUE, ls="--", label="train")
        axes[metric].plot(epochs, values, color=_ORANGE, label="eval")
        axes[metric].plot(
            exported_epoch, values[exported_epoch - 1], "o", color=_ORANGE, label="exported"
        )
        axes[metric].legend(frameon=False)
        _finish(axes[metric], metric, "epoch", ylabel)
    axes["learning_rate"].plot(epochs, history["learning_rate"], color=_GREY)
    axes["learning_rate"].set_ylim(bottom=0)
    _finish(axes["learning_rate"], "learning rate at the end of the epoch", "epoch", "rate")
    for one in axes.values():
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(file, dpi=_DPI)


def plot_range_test(curve: Curve, finding: Finding, file: Path) -> None:
    """Draws the loss over the logarithm of the rate, and marks the pick.

    Args:
        curve: of the range test.
        finding: what was read from it.
        file: where the picture goes; its suffix names the format, PNG or SVG.
    """
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve.rates, curve.losses, color=_GREY, alpha=0.4, lw=0.8, label="loss")
    axes.plot(curve.rates, curve.smoothed, color=_BLUE, lw=2, label="loss, smoothed")
    for rate, marker, name in (
        (finding.steepest, "v", "steepest descent"),
        (finding.minimum, "s", "middle of the valley"),
    ):
        if rate is not None:
            loss = np.interp(np.log(rate), np.log(curve.rates), curve.smoothed)
            axes.plot(rate, loss, marker, color=_BLUE, ms=8, label=f"{name}: {rate:.2g}")
    pick = "fallback" if finding.warning else "picked"
    axes.axvline(finding.learning_rate, color=_ORANGE, label=f"{pick}: {finding.learning_rate:.2g}")
    axes.set_xscale("log")
    axes.set_ylim(*loss_range(curve.smoothed))
    axes.legend(edgecolor="none", framealpha=0.9)
    _finish(axes, "learning-rate range test", "learning rate", "cross-entropy (nats)")
    if finding.warning:
        figure.supxlabel(f"warning: {finding.warning}", fontsize=9, color=_ORANGE, wrap=True)
    figure.savefig(file, dpi=_DPI)


def _finish(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
