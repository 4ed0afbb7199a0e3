"""The charts of a run's page, as Vega-Lite specifications.

Colours are CSS variables of the page, which gives them a value for the light and for the dark
theme. Nothing is told by colour alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from components.evaluation.figures import ClassMetrics, Evaluation
from components.image_measures import BRIGHTNESS, INK
from components.image_statistics.description import Description
from components.report.contents import Page, RangeTest, TrainingHistory
from components.report.vega_lite import Spec, chart, data, finite, name, number
from trainer_module import features
from trainer_module.loss_range import loss_range

_MAIN, _SECOND, _QUIET = "var(--main)", "var(--second)", "var(--quiet)"
_METRICS = {"accuracy": "recall", "precision": "precision", "f1": "F1"}
_BAR, _THIN_BAR, _CELL = 13, 10, 32
"""Heights in pixels of bars and of a cell of the heat map."""
_MOST_TICKS = 13

_MEASURES = {INK: "fraction of pixels that are not black", BRIGHTNESS: "mean of the pixels"}
_DASHES = ([5, 3], [1, 0], [2, 2])
_SHARE = (number("images", format=","), number("share", format=".1%"))
_CLASSES_AXIS = {"ticks": False, "domain": False, "labelPadding": 6, "labelFontSize": 12}
_SHARES_AXIS = {"format": ".0%", "tickCount": 5}
_LINES_LEGEND = {"symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2}


def make_charts(page: Page) -> dict[str, Spec]:
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
    return {**charts, **dict(_draw_data(page.images, page.classes))}


def _draw_classes(evaluation: Evaluation) -> Spec:
    """Recall, precision and F1 of each class as bars, with a tick where the baseline is."""
    earlier = evaluation.baseline.classes if evaluation.baseline else {}
    metrics = list(_METRICS.values())
    base = {
        "y": name("class", sort=list(features.CLASS_NAMES), title=None, axis=_CLASSES_AXIS),
        "yOffset": name("metric", sort=metrics),
        "tooltip": [
            *(name("class"), name("metric"), number("value", format=".4f")),
            *(number("baseline", format=".4f"), number("change", format="+.4f")),
        ],
    }
    x = number("value", title=None, scale={"domain": [0, 1]}, axis={"tickCount": 5})
    colours = {"domain": metrics, "range": [_MAIN, _SECOND, _QUIET]}
    colour = name("metric", sort=metrics, scale=colours, legend=None)
    text = {"type": "text", "align": "left", "dx": 5, "fontSize": 9, "fontWeight": 600}
    layers = [
        {"mark": {"type": "bar"}, "encoding": {**base, "x": x, "color": colour}},
        {
            "mark": {**text, "color": "var(--on)", "aria": False},
            "encoding": {**base, "x": {"datum": 0}, "text": name("text")},
        },
    ]
    if earlier:
        tick = {"type": "tick", "thickness": 4, "bandSize": _BAR, "color": "currentColor"}
        layers.append(
            {
                "mark": {**tick, "stroke": "var(--ground)", "aria": False},
                "encoding": {**base, "x": number("baseline")},
            }
        )
    return chart(
        data(_class_rows(evaluation.classes, earlier)),
        layers,
        height=len(evaluation.classes) * (len(_METRICS) + 1) * _BAR,
        description="Recall, precision and F1 of each class",
    )


def _class_rows(
    classes: Mapping[str, ClassMetrics], earlier: Mapping[str, ClassMetrics]
) -> Iterable[dict[str, Any]]:
    for label, metrics in classes.items():
        for field, metric in _METRICS.items():
            value = finite(getattr(metrics, field))
            before = finite(getattr(earlier.get(label), field, None))
            change = None if value is None or before is None else value - before
            yield {
                "class": label,
                "metric": metric,
                "value": value,
                "text": f"{metric} {'–' if value is None else format(value, '.3f')}",
                "baseline": before,
                "change": change,
            }


def _draw_confusion(confusion: list[list[int]]) -> Spec:
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
    bare = {"ticks": False, "domain": False}
    base = {
        "x": name("predicted", sort=order, title="predicted", axis={**bare, "labelAngle": -50}),
        "y": name("true", sort=order, title=None, axis=bare),
        "tooltip": [
            *(name("true"), name("predicted"), number("images", format=",")),
            number("share", format=".1%", title="of the true class"),
        ],
    }
    # The root keeps small shares apart, which are what there is to see.
    scale = {"type": "sqrt", "domain": [0, 1], "range": [0.04, 1]}
    opacity = number("share", scale=scale, legend=None)
    colour = {
        "condition": {"test": "datum.share > 0.35", "value": "var(--on)"},
        "value": "currentColor",
    }
    return chart(
        data(rows),
        [
            {
                "mark": {"type": "rect", "color": _MAIN, "stroke": "var(--ground)"},
                "encoding": {**base, "fillOpacity": opacity},
            },
            {
                "transform": [{"filter": "datum.images > 0"}],
                "mark": {"type": "text", "fontSize": 10, "aria": False},
                "encoding": {**base, "text": number("images"), "color": colour},
            },
        ],
        height=len(order) * _CELL,
        description="Confusion matrix: true class by predicted",
    )


def _draw_history(training: TrainingHistory, metric: str, title: str) -> Spec:
    """A metric by epoch on train and eval, with a point at the exported epoch."""
    rows = [
        {"epoch": epoch, "split": split, "value": value}
        for split, key in (("train", metric), ("eval", f"val_{metric}"))
        for epoch, value in enumerate(training.history[key], start=1)
    ]
    domain = ["train", "eval"]
    colours = {"domain": domain, "range": [_SECOND, _MAIN]}
    dashes = {"domain": domain, "range": [[5, 3], [1, 0]]}
    base = {
        "x": _epochs(training),
        "y": number("value", title=title, scale={"zero": False}),
        "color": name("split", scale=colours, legend=_LINES_LEGEND),
        "tooltip": [number("epoch"), name("split"), number("value", format=".4f")],
    }
    exported = f"datum.split === 'eval' && datum.epoch === {training.exported_epoch}"
    return chart(
        data(rows),
        [
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {**base, "strokeDash": name("split", scale=dashes)},
            },
            {
                "transform": [{"filter": exported}],
                "mark": {"type": "point", "size": 70, "filled": True, "opacity": 1},
                "encoding": base,
            },
            # Larger than they look, to be easily pointed at.
            {"mark": {"type": "point", "size": 90, "opacity": 0, "aria": False}, "encoding": base},
        ],
        height=220,
        description=f"{metric} by epoch, on train and eval",
    )


def _draw_rate(training: TrainingHistory) -> Spec:
    rates = training.history["learning_rate"]
    rows = [{"epoch": epoch, "rate": rate} for epoch, rate in enumerate(rates, start=1)]
    encoding = {
        "x": _epochs(training),
        "y": number("rate", title="learning rate", axis={"format": "~g"}),
        "tooltip": [number("epoch"), number("rate", format=".3g")],
    }
    mark = {"type": "line", "strokeWidth": 2, "color": _MAIN}
    point = {"color": _MAIN, "size": 22}
    return chart(
        data(rows),
        [{"mark": {**mark, "point": point}, "encoding": encoding}],
        height=160,
        description="Learning rate at the end of each epoch",
    )


def _epochs(training: TrainingHistory) -> Spec:
    last = training.epochs
    # Vega would put ticks between the epochs where there are few.
    ticks = list(range(1, last + 1, -(-last // _MOST_TICKS)))
    scale = {"domain": [1, max(2, last)], "nice": False}
    return number("epoch", scale=scale, axis={"values": ticks, "format": "d"})


def _draw_range_test(test: RangeTest) -> Spec:
    """The loss over the logarithm of the rate, and a rule at the pick."""
    rows = [
        {"rate": rate, "loss": loss, "smoothed": smoothed}
        for rate, loss, smoothed in zip(test.rates, test.losses, test.smoothed, strict=True)
    ]
    picked = data([{"rate": test.learning_rate, "name": f"taken: {test.learning_rate:.2g}"}])
    scale = {"type": "log", "domain": [min(test.rates), max(test.rates)], "nice": False}
    axis = {"format": "~g", "tickCount": 6}
    x = number("rate", scale=scale, title="learning rate", axis=axis)
    pick = {"x": number("rate", scale=scale)}
    heights = {"domain": list(loss_range(test.smoothed)), "nice": False}
    losses = {"scale": heights, "title": "cross-entropy (nats)"}
    tooltip = [number("rate", format=".3g"), number("smoothed", format=".3f")]
    line = {"type": "line", "clip": True}
    raw = {"color": "currentColor", "opacity": 0.25, "strokeWidth": 1}
    text = {"type": "text", "align": "right", "dx": -6, "fontSize": 12, "color": "currentColor"}
    return chart(
        data(rows),
        [
            {"mark": {**line, **raw}, "encoding": {"x": x, "y": number("loss", **losses)}},
            {
                "mark": {**line, "color": _MAIN, "strokeWidth": 2.5},
                "encoding": {"x": x, "y": number("smoothed", **losses), "tooltip": tooltip},
            },
            {
                "data": picked,
                "mark": {"type": "rule", "color": _SECOND, "strokeWidth": 2, "strokeDash": [6, 3]},
                "encoding": pick,
            },
            {
                "data": picked,
                "mark": text,
                "encoding": {**pick, "y": {"value": 12}, "text": name("name")},
            },
        ],
        height=240,
        description="Learning-rate range test: loss by rate",
    )


def _draw_data(
    images: Mapping[str, Description], classes: Sequence[str]
) -> Iterator[tuple[str, Spec]]:
    """What is in each split: the shares of the classes, and how the measures are distributed."""
    if classes:
        yield "shares", _draw_shares(images, classes)
    for measure, title in _MEASURES.items():
        if any(measure in one.measures for one in images.values()):
            yield measure, _draw_measure(images, measure, title)


def _draw_shares(images: Mapping[str, Description], classes: Sequence[str]) -> Spec:
    rows = [
        {"class": label, "split": split, "share": share, "images": one.classes[label]}
        for split, one in images.items()
        for label, share in one.shares.items()
    ]
    base = {
        "y": name("class", sort=list(classes), title=None, axis=_CLASSES_AXIS),
        "yOffset": name("split", sort=list(images)),
        "x": number("share", title="share of the images", axis=_SHARES_AXIS),
        "tooltip": [name("class"), name("split"), *_SHARE],
    }
    text = {"type": "text", "align": "left", "dx": 4, "fontSize": 9, "color": "currentColor"}
    return chart(
        data(rows),
        [
            {
                "mark": {"type": "bar"},
                "encoding": {**base, "color": _split_colour(images, legend=None)},
            },
            {
                "mark": {**text, "aria": False},
                "encoding": {**base, "text": name("split")},
            },
        ],
        height=len(classes) * (len(images) + 1) * _THIN_BAR,
        description="Share of each class in each split",
    )


def _draw_measure(images: Mapping[str, Description], measure: str, title: str) -> Spec:
    """The histogram of a measure as a line of steps, a split over the other."""
    base = {
        "y": number("share", title="share of the images", axis=_SHARES_AXIS),
        "color": _split_colour(images, legend=_LINES_LEGEND),
    }
    low = number("low", title=title, scale={"domain": [0, 1]}, axis={"tickCount": 5})
    dashes = {"domain": list(images), "range": list(_DASHES[: len(images)])}
    steps = {**base, "x": low, "strokeDash": name("split", scale=dashes)}
    edges = (number("low", format=".2f"), number("high", format=".2f"))
    middle = [
        {"filter": "datum.high !== null"},
        {"calculate": "(datum.low + datum.high) / 2", "as": "middle"},
    ]
    targets = {
        **base,
        "x": number("middle", title=title),
        "tooltip": [name("split"), *edges, *_SHARE],
    }
    return chart(
        data(_measure_rows(images, measure)),
        [
            {
                "mark": {"type": "line", "strokeWidth": 2, "interpolate": "step-after"},
                "encoding": steps,
            },
            # Larger than they look, to be easily pointed at.
            {
                "transform": middle,
                "mark": {"type": "point", "size": 200, "opacity": 0, "aria": False},
                "encoding": targets,
            },
        ],
        height=200,
        description=f"Distribution of {measure} in each split",
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


def _split_colour(images: Mapping[str, Description], legend: Spec | None) -> Spec:
    colours = [_SECOND, _MAIN, _QUIET][: len(images)]
    return name("split", scale={"domain": list(images), "range": colours}, legend=legend)
