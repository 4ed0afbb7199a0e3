"""The page in a real browser."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

from components.report.render import render_report
from tests.conftest import require
from trainer_module import features

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DESKTOP = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    require("Chromium", None if CHROMIUM else "install it with `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, page, tmp_path):
    """Opens the report from disk; what went wrong is in `problems`, for the test to look at."""
    file = tmp_path / "runs" / "r1" / "report.html"
    file.parent.mkdir(parents=True)
    file.write_text(render_report(page), encoding="utf-8")
    opened = []

    def open_page(viewport, **options):
        tab = browser.new_page(viewport=viewport, **options)
        opened.append(tab)
        tab.problems, tab.requests = [], []
        tab.on("pageerror", lambda error: tab.problems.append(str(error)))
        tab.on("console", lambda message: tab.problems.append(message.text))
        tab.on("requestfailed", lambda request: tab.problems.append(request.url))
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.goto(file.as_uri())
        assert tab.evaluate("drawn") == 9
        return tab

    yield open_page
    for tab in opened:
        tab.close()


def luminance(colour):
    """Of `rgb(…)`, from 0 to 255."""
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_opens_without_a_fault_and_fits_the_screen(open_page, tmp_path, viewport, scheme):
    tab = open_page(viewport, color_scheme=scheme)
    assert tab.problems == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    shot = tmp_path / "report.png"
    tab.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 50_000


def test_every_class_is_in_the_bars_the_heat_map_and_the_table(open_page):
    tab = open_page(DESKTOP)
    for place in ("#classes svg", "#confusion svg", "#by-class table"):
        text = (
            tab.locator(place).inner_text()
            if "table" in place
            else tab.locator(place).text_content()
        )
        assert [name for name in features.CLASS_NAMES if name not in text] == []


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_heat_map_answers_to_the_pointer(open_page, viewport):
    tab = open_page(viewport)
    cell = tab.locator(
        '#confusion path[aria-label*="true: Shirt"][aria-label*="predicted: Sneaker"]'
    )
    cell.hover()
    tooltip = tab.locator("#vg-tooltip-element")
    tooltip.wait_for(state="visible")
    text = " ".join(tooltip.inner_text().split())
    assert "true Shirt predicted Sneaker images 100 of the true class 10.0%" in text


def test_page_follows_the_theme_of_the_system(open_page):
    colours = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    ground, ink = map(luminance, open_page(DESKTOP, color_scheme="dark").evaluate(colours))
    assert ground < 60 < 200 < ink
    ground, ink = map(luminance, open_page(DESKTOP, color_scheme="light").evaluate(colours))
    assert ink < 60 < 200 < ground


def test_print_is_dark_on_white_whatever_the_theme(open_page, tmp_path):
    tab = open_page(DESKTOP, color_scheme="dark")
    pdf = tmp_path / "report.pdf"
    tab.pdf(path=pdf, format="A4")
    assert pdf.read_bytes().startswith(b"%PDF")
    tab.emulate_media(media="print")
    assert luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor")) == 255
    assert not tab.locator("nav").is_visible()


def test_images_of_the_mistakes_are_there_and_sharp(open_page):
    tab = open_page(DESKTOP)
    image = tab.locator(".mistakes img").first
    assert image.evaluate("image => image.naturalWidth") == features.IMAGE_SIZE
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_splits_lie_over_one_another_and_answer_to_the_pointer(open_page, viewport):
    tab = open_page(viewport)
    place = tab.locator("#ink svg")
    assert all(split in place.text_content() for split in ("train", "eval", "test"))
    dashes = place.locator(".mark-line path").evaluate_all(
        "lines => lines.map(line => line.getAttribute('stroke-dasharray'))"
    )
    assert len(set(dashes)) == 3
    tab.locator('#shares path[aria-label*="class: Bag"][aria-label*="split: eval"]').hover()
    tooltip = tab.locator("#vg-tooltip-element")
    tooltip.wait_for(state="visible")
    assert "images 51 share 10.2%" in " ".join(tooltip.inner_text().split())
