"""Makes the pages: HTML that needs no network and no file beside it. Free of TensorFlow."""

import base64
import functools
import importlib.metadata
import importlib.util
import math
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import jinja2

from components.evaluation.slicing import GROUP, PARTS
from components.image_measures import BRIGHTNESS, INK
from components.report.charts import make_charts
from components.report.contents import Page, RunEntry
from components.verdict import Verdict
from trainer_module import features

_MINUS = "−"

_OVERALL = (
    ("accuracy", "accuracy"),
    ("cross-entropy (nats)", "loss"),
    ("top-2 accuracy", "top_2_accuracy"),
    ("calibration error", "calibration_error"),
    ("macro precision", "macro_precision"),
    ("macro recall", "macro_recall"),
    ("macro F1", "macro_f1"),
    ("macro AUC", "macro_auc"),
)
_SLICES = {
    INK: "How much of the image is not black",
    BRIGHTNESS: "Mean brightness of the image",
    GROUP: f"Easily confused: {', '.join(features.DATASET.confused)}",
}

_VERDICT = {
    "title": re.compile(r"(?<=<title>).*?(?=</title>)"),
    "verdict": re.compile(r'<div class="verdict .*?<!-- end of verdict -->\n', re.DOTALL),
}
"""Blocks of the page that tell the verdict, and where they stand in it."""

_MEASURES = {
    "size_mb": "size (MB)",
    "load_s": "time to load (s)",
    "median_ms_1": "median latency of one image (ms)",
    "p99_ms_1": "99th percentile of it (ms)",
    "median_ms_64": "median latency of 64 images (ms)",
    "p99_ms_64": "99th percentile of it (ms)",
    "memory_mb": "peak memory (MB)",
    "difference": "largest difference to the evaluated probabilities",
}


def render_report(page: Page) -> str:
    """Makes a run's page.

    Args:
        page: what the run came to; what it lacks is left out, with a sentence.

    Returns:
        An HTML document.
    """
    charts = make_charts(page)
    return (
        _environment()
        .get_template("report.html")
        .render(
            page=page,
            verdict=page.verdict,
            evaluation=page.evaluation,
            baseline=page.evaluation and page.evaluation.baseline,
            charts=charts,
            script=_script() if charts else None,
            class_names=features.CLASS_NAMES,
            dataset=features.DATASET,
            overall_rows=_OVERALL,
            slice_titles=_SLICES,
            slice_parts=PARTS,
            measure_titles=_MEASURES,
            confusions=_largest_confusions(page.evaluation.confusion) if page.evaluation else [],
        )
    )


def replace_verdict(html: str, verdict: Verdict) -> str:
    """Puts another verdict into a page, and leaves all else as it is.

    Args:
        html: what `render_report` made.
        verdict: what became of the model since.

    Returns:
        The page with it.
    """
    template = _environment().get_template("report.html")
    context = template.new_context({"verdict": verdict})
    for block, place in _VERDICT.items():
        text = "".join(template.blocks[block](context))
        # A backslash would refer to a group.
        html = place.sub(text.replace("\\", r"\\"), html, count=1)
    return html


def render_index(entries: Sequence[RunEntry]) -> str:
    """Makes the list of the runs.

    Args:
        entries: the runs, newest first.

    Returns:
        An HTML document.
    """
    return _environment().get_template("index.html").render(entries=entries)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("components.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(figure=_figure, change=_change, png=_to_data_uri)
    return environment


@functools.cache
def _script() -> str:
    """Vega, Vega-Lite and Vega-Embed, which sets `vegaEmbed`.

    To put them together takes a second, so they are kept: with the bytecode of the package that has
    them.
    """
    kept = _find_place()
    with suppress(OSError):
        return kept.read_text(encoding="utf-8")
    script = _bundle()
    # Not everybody may write there.
    with suppress(OSError):
        _keep(kept, script)
    return script


def _find_place() -> Path:
    package = importlib.metadata.distribution("vl-convert-python")
    bytecode = importlib.util.cache_from_source(str(package.locate_file("vl_convert/__init__.py")))
    return Path(bytecode).with_name(f"vega-{package.version}.js")


def _keep(file: Path, text: str) -> None:
    """Writes a file that others may be reading, or writing, at the same time."""
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _bundle() -> str:
    # Here, since most processes find what is kept.
    import vl_convert

    # Its stub forgets that a snippet may be left out.
    script = vl_convert.javascript_bundle(  # type: ignore[call-arg]
        vl_version=vl_convert.get_vegalite_versions()[-1]
    )
    # Nothing in it may end the element that it stands in.
    return script.replace("</script", r"<\/script")


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _change(value: float | None, before: float | None, digits: int = 3) -> str:
    """The change by an arrow and a number, as colour alone tells not everybody."""
    if value is None or before is None or math.isnan(value - before):
        return "–"
    shown = f"{abs(value - before):.{digits}f}"
    if float(shown) == 0:
        return "= 0"
    return f"▲ +{shown}" if value > before else f"▼ {_MINUS}{shown}"


def _to_data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _largest_confusions(
    confusion: Sequence[Sequence[int]], count: int = 8
) -> list[tuple[str, str, int, float]]:
    """True class, predicted class, images, and their share of the true class."""
    pairs = [
        (features.CLASS_NAMES[truth], features.CLASS_NAMES[guess], images, images / sum(row))
        for truth, row in enumerate(confusion)
        for guess, images in enumerate(row)
        if images and truth != guess
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:count]
