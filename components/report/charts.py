"""The charts of a run's page, as Vega-Lite specifications made by Altair.

Colours are CSS variables of the page, which gives them a value for the light and for the dark
theme. Nothing is told by colour alone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import altair as alt

from components.evaluation.figures import ClassMetrics, Evaluation
from components.image_measures import BRIGHTNESS, INK
from components.image_statistics.description import Description
from components.report.contents import Page, RangeTest, TrainingHistory
from trainer_module import features
from trainer_module.loss_range import loss_range

_MAIN, _SECOND, _QUIET = "var(--main)", "var(--second)", "var(--quiet)"
_METRICS = {"accuracy": "recall", "precision": "precision", "f1": "F1"}
_BAR, _THIN_BAR, _CELL = 13, 10, 32
"""Heights in pixels of bars and of a cell of the heat map."""
_WIDE = "container"
_MOST_TICKS = 13

_MEASURES = {INK: "fraction of pixels that are not black", BRIGHTNESS: "mean of the pixels"}
_DASHES = ([5, 3], [1, 0], [2, 2])
_SHARE = (alt.Tooltip("images:Q", format=","), alt.Tooltip("share:Q", format=".1%"))

_Value = TypeVar("_Value")

_Chart = alt.LayerChart | alt.FacetChart
"""What Altair says that layers make."""


def make_charts(page: Page) -> dict[str, dict[str, Any]]:
    """Makes the charts for which the page has data.

    Args:
        page: what the run came to.

    Returns:
        Vega-Lite specifications by name: `classes`, `confusion`, `loss`, `accuracy`, `rate`,
        `range_test`, `shares`, `ink` and `brightness`. They take the width of their place.
    """
    charts = {}
    if page.evaluation:
        charts["classes"] = _draw_classes(page.evaluation)
        charts["confusion"] = _draw_confusion(page.evaluation.confusion)
    if page.training:
        charts["loss"] = _draw_history(page.training, "loss", "cross-entropy (nats)")
        charts["accuracy"] = _draw_history(page.training, "accuracy", "accuracy")
        charts["rate"] = _draw_rate(page.training)
    # A single point is no curve: the loss was not finite from the start.
    if page.range_test and sum(loss is not None for loss in page.range_test.smoothed) > 1:
        charts["range_test"] = _draw_range_test(page.range_test)
    charts.update(_draw_data(page.images, page.classes))
    return {name: _finish(chart) for name, chart in charts.items()}


def _finish(chart: _Chart) -> dict[str, Any]:
    lines = {"gridColor": "currentColor", "gridOpacity": 0.13, "domainColor": "currentColor"}
    text = {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": 500}
    return (
        chart.configure(background="transparent", font="system-ui, sans-serif")
        .properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure_axis(**lines, **text, tickColor="currentColor", labelFontSize=11)
        .configure_view(stroke=None)
        .configure_legend(**text, orient="top", title=None, labelFontSize=12)
        .to_dict()
    )


def _data(rows: Iterable[Mapping[str, Any]]) -> alt.InlineData:
    """NaN and infinity become null, which JSON has."""
    return alt.InlineData(
        values=[{key: _finite(value) for key, value in row.items()} for row in rows]
    )


def _finite(value: _Value) -> _Value | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _draw_classes(evaluation: Evaluation) -> _Chart:
    """Recall, precision and F1 of each class as bars, with a tick where the baseline is."""
    earlier = evaluation.baseline.classes if evaluation.baseline else {}
    base = alt.Chart(_data(_class_rows(evaluation.classes, earlier))).encode(
        y=alt.Y("class:N", sort=list(features.CLASS_NAMES), title=None).axis(
            ticks=False, domain=False, labelPadding=6, labelFontSize=12
        ),
        yOffset=alt.YOffset("metric:N", sort=list(_METRICS.values())),
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("metric:N"),
            alt.Tooltip("value:Q", format=".4f"),
            alt.Tooltip("baseline:Q", format=".4f"),
            alt.Tooltip("change:Q", format="+.4f"),
        ],
    )
    colour = alt.Color("metric:N", sort=list(_METRICS.values())).scale(
        domain=list(_METRICS.values()), range=[_MAIN, _SECOND, _QUIET]
    )
    axis = alt.X("value:Q", title=None).scale(domain=[0, 1]).axis(tickCount=5)
    bars = base.mark_bar().encode(x=axis, color=colour.legend(None))
    names = base.mark_text(
        align="left", dx=5, fontSize=9, fontWeight=600, color="var(--on)", aria=False
    ).encode(x=alt.datum(0), text="text:N")
    layers = [bars, names]
    if earlier:
        layers.append(
            base.mark_tick(
                thickness=4, bandSize=_BAR, color="currentColor", stroke="var(--ground)", aria=False
            ).encode(x="baseline:Q")
        )
    return alt.layer(*layers).properties(
        width=_WIDE,
        height=len(evaluation.classes) * (len(_METRICS) + 1) * _BAR,
        description="Recall, precision and F1 of each class",
    )


def _class_rows(
    classes: Mapping[str, ClassMetrics], earlier: Mapping[str, ClassMetrics]
) -> Iterable[dict[str, Any]]:
    for name, metrics in classes.items():
        for field, metric in _METRICS.items():
            value = _finite(getattr(metrics, field))
            before = _finite(getattr(earlier.get(name), field, None))
            change = None if value is None or before is None else value - before
            yield {
                "class": name,
                "metric": metric,
                "value": value,
                "text": f"{metric} {'–' if value is None else format(value, '.3f')}",
                "baseline": before,
                "change": change,
            }


def _draw_confusion(confusion: list[list[int]]) -> _Chart:
    """The confusion matrix: the stronger the colour, the larger the share of the true class."""
    rows = [
        {
            "true": features.CLASS_NAMES[truth],
            "predicted": features.CLASS_NAMES[guess],
            "images": images,
            "share": images / max(1, sum(counts)),
        }
        for truth, counts in enumerate(confusion)
        for guess, images in enumerate(counts)
    ]
    order = list(features.CLASS_NAMES)
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("predicted:N", sort=order, title="predicted").axis(
            labelAngle=-50, ticks=False, domain=False
        ),
        y=alt.Y("true:N", sort=order, title=None).axis(ticks=False, domain=False),
        tooltip=[
            alt.Tooltip("true:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip("images:Q", format=","),
            alt.Tooltip("share:Q", format=".1%", title="of the true class"),
        ],
    )
    cells = base.mark_rect(color=_MAIN, stroke="var(--ground)").encode(
        # The root keeps small shares apart, which are what there is to see.
        fillOpacity=alt.FillOpacity("share:Q")
        .scale(type="sqrt", domain=[0, 1], range=[0.04, 1])
        .legend(None)
    )
    counts = (
        base.transform_filter("datum.images > 0")
        .mark_text(fontSize=10, aria=False)
        .encode(
            text="images:Q",
            color=alt.condition(
                "datum.share > 0.35", alt.value("var(--on)"), alt.value("currentColor")
            ),
        )
    )
    return alt.layer(cells, counts).properties(
        width=_WIDE,
        height=len(order) * _CELL,
        description="Confusion matrix: true class by predicted",
    )


def _draw_history(training: TrainingHistory, metric: str, title: str) -> _Chart:
    """A metric by epoch on train and eval, with a point at the exported epoch."""
    rows = [
        {"epoch": epoch, "split": split, "value": value}
        for split, key in (("train", metric), ("eval", f"val_{metric}"))
        for epoch, value in enumerate(training.history[key], start=1)
    ]
    split = "split:N"
    domain = ["train", "eval"]
    base = alt.Chart(_data(rows)).encode(
        x=_epochs(training),
        y=alt.Y("value:Q", title=title).scale(zero=False),
        color=alt.Color(split)
        .scale(domain=domain, range=[_SECOND, _MAIN])
        .legend(symbolType="stroke", symbolSize=500, symbolStrokeWidth=2),
        tooltip=["epoch:Q", split, alt.Tooltip("value:Q", format=".4f")],
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash(split).scale(domain=domain, range=[[5, 3], [1, 0]])
    )
    # Larger than they look, to be easily pointed at.
    targets = base.mark_point(size=90, opacity=0, aria=False)
    exported = base.transform_filter(
        f"datum.split === 'eval' && datum.epoch === {training.exported_epoch}"
    ).mark_point(size=70, filled=True, opacity=1)
    return alt.layer(lines, exported, targets).properties(
        width=_WIDE, height=220, description=f"{metric} by epoch, on train and eval"
    )


def _draw_rate(training: TrainingHistory) -> _Chart:
    rates = training.history["learning_rate"]
    rows = [{"epoch": epoch, "rate": rate} for epoch, rate in enumerate(rates, start=1)]
    line = (
        alt.Chart(_data(rows))
        .mark_line(strokeWidth=2, color=_MAIN, point={"color": _MAIN, "size": 22})
        .encode(
            x=_epochs(training),
            y=alt.Y("rate:Q", title="learning rate").axis(format="~g"),
            tooltip=["epoch:Q", alt.Tooltip("rate:Q", format=".3g")],
        )
    )
    return alt.layer(line).properties(
        width=_WIDE, height=160, description="Learning rate at the end of each epoch"
    )


def _epochs(training: TrainingHistory) -> alt.X:
    last = training.epochs
    # Vega would put ticks between the epochs where there are few.
    ticks = list(range(1, last + 1, -(-last // _MOST_TICKS)))
    return (
        alt.X("epoch:Q").scale(domain=[1, max(2, last)], nice=False).axis(values=ticks, format="d")
    )


def _draw_range_test(test: RangeTest) -> _Chart:
    """The loss over the logarithm of the rate, and a rule at the pick."""
    rows = [
        {"rate": rate, "loss": loss, "smoothed": smoothed}
        for rate, loss, smoothed in zip(test.rates, test.losses, test.smoothed, strict=True)
    ]
    scale = alt.Scale(type="log", domain=[min(test.rates), max(test.rates)], nice=False)
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("rate:Q", scale=scale, title="learning rate").axis(format="~g", tickCount=6)
    )
    heights = alt.Scale(domain=list(loss_range(test.smoothed)), nice=False)
    raw = base.mark_line(color="currentColor", opacity=0.25, strokeWidth=1, clip=True).encode(
        y=alt.Y("loss:Q", scale=heights, title="cross-entropy (nats)")
    )
    smooth = base.mark_line(color=_MAIN, strokeWidth=2.5, clip=True).encode(
        y=alt.Y("smoothed:Q", scale=heights, title="cross-entropy (nats)"),
        tooltip=[alt.Tooltip("rate:Q", format=".3g"), alt.Tooltip("smoothed:Q", format=".3f")],
    )
    pick = alt.Chart(
        _data([{"rate": test.learning_rate, "name": f"taken: {test.learning_rate:.2g}"}])
    ).encode(x=alt.X("rate:Q", scale=scale))
    rule = pick.mark_rule(color=_SECOND, strokeWidth=2, strokeDash=[6, 3])
    name = pick.mark_text(align="right", dx=-6, fontSize=12, color="currentColor").encode(
        y=alt.value(12), text="name:N"
    )
    return alt.layer(raw, smooth, rule, name).properties(
        width=_WIDE, height=240, description="Learning-rate range test: loss by rate"
    )


def _draw_data(
    images: Mapping[str, Description], classes: Sequence[str]
) -> Iterator[tuple[str, _Chart]]:
    """What is in each split: the shares of the classes, and how the measures are distributed."""
    if classes:
        yield "shares", _draw_shares(images, classes)
    for measure, title in _MEASURES.items():
        if any(measure in one.measures for one in images.values()):
            yield measure, _draw_measure(images, measure, title)


def _draw_shares(images: Mapping[str, Description], classes: Sequence[str]) -> _Chart:
    rows = [
        {"class": name, "split": split, "share": share, "images": one.classes[name]}
        for split, one in images.items()
        for name, share in one.shares.items()
    ]
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("class:N", sort=list(classes), title=None).axis(
            ticks=False, domain=False, labelPadding=6, labelFontSize=12
        ),
        yOffset=alt.YOffset("split:N", sort=list(images)),
        x=alt.X("share:Q", title="share of the images").axis(format=".0%", tickCount=5),
        tooltip=["class:N", "split:N", *_SHARE],
    )
    bars = base.mark_bar().encode(color=_split_colour(images).legend(None))
    texts = base.mark_text(align="left", dx=4, fontSize=9, color="currentColor", aria=False)
    return alt.layer(bars, texts.encode(text="split:N")).properties(
        width=_WIDE,
        height=len(classes) * (len(images) + 1) * _THIN_BAR,
        description="Share of each class in each split",
    )


def _draw_measure(images: Mapping[str, Description], measure: str, title: str) -> _Chart:
    """The histogram of a measure as a line of steps, a split over the other."""
    base = alt.Chart(_data(_measure_rows(images, measure))).encode(
        y=alt.Y("share:Q", title="share of the images").axis(format=".0%", tickCount=5),
        color=_split_colour(images).legend(
            symbolType="stroke", symbolSize=500, symbolStrokeWidth=2
        ),
    )
    lines = base.mark_line(strokeWidth=2, interpolate="step-after").encode(
        x=alt.X("low:Q", title=title).scale(domain=[0, 1]).axis(tickCount=5),
        strokeDash=alt.StrokeDash("split:N").scale(
            domain=list(images), range=list(_DASHES[: len(images)])
        ),
    )
    # Larger than they look, to be easily pointed at.
    targets = (
        base.transform_filter("datum.high !== null")
        .transform_calculate(middle="(datum.low + datum.high) / 2")
        .mark_point(size=200, opacity=0, aria=False)
        .encode(
            x=alt.X("middle:Q", title=title),
            tooltip=[
                *("split:N", alt.Tooltip("low:Q", format=".2f")),
                *(alt.Tooltip("high:Q", format=".2f"), *_SHARE),
            ],
        )
    )
    return alt.layer(lines, targets).properties(
        width=_WIDE, height=200, description=f"Distribution of {measure} in each split"
    )


def _measure_rows(images: Mapping[str, Description], measure: str) -> Iterator[dict[str, Any]]:
    """A row where each step begins, and one where the last ends."""
    for split, one in images.items():
        measured = one.measures.get(measure)
        if measured is None:
            continue
        highs = (*measured.edges[1:], None)
        counts, shares = ((*values, values[-1]) for values in (measured.counts, measured.shares))
        for low, high, count, share in zip(measured.edges, highs, counts, shares, strict=True):
            yield {"split": split, "low": low, "high": high, "images": count, "share": share}


def _split_colour(images: Mapping[str, Description]) -> alt.Color:
    colours = [_SECOND, _MAIN, _QUIET][: len(images)]
    return alt.Color("split:N").scale(domain=list(images), range=colours)
