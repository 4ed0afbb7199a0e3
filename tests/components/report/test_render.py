import dataclasses
import json
import math
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from components.data_gate.findings import Finding
from components.evaluation.slicing import INK, PARTS
from components.report import render
from components.report.contents import Page, RunEntry, RunFacts
from components.report.render import render_index, render_report, replace_verdict
from components.verdict import Failure, judge, judge_failure
from tests.evaluations import LOW_RECALL, evaluation, slice_metrics
from trainer_module import features

VOID = {"meta", "link", "br", "img"}


class Reader(HTMLParser):
    """Checks that elements nest; collects text outside of scripts, and what is referred to."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.links, self.images = [], [], [], []
        self.ids = set()
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        self.links += [attrs[key] for key in ("href", "src") if key in attrs]
        self.images += [attrs] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(" ".join(data.split()))


def read(page):
    reader = Reader(render_report(page))
    return " ".join(filter(None, reader.text)).replace("\xa0", " ")


def test_page_needs_no_network_and_nothing_beside_it_but_the_list_of_the_runs(page):
    html = render_report(page)
    links = Reader(html).links
    assert {link for link in links if not link.startswith(("#", "data:"))} == {"../../index.html"}
    assert "@import" not in html
    assert len(html.encode()) < 3_000_000


@pytest.mark.parametrize("whole", [True, False])
def test_links_within_the_page_lead_somewhere(page, whole):
    bare = Page(facts=RunFacts(run="r1"), verdict=judge_failure(Failure("x")))
    reader = Reader(render_report(page if whole else bare))
    assert {link[1:] for link in reader.links if link.startswith("#")} <= reader.ids


def test_verdict_and_reasons_come_first(page):
    text = read(page)
    assert text.index("Not blessed, and not pushed") < text.index("recall of Shirt is 0.7000")
    assert text.index("recall of Shirt is 0.7000") < text.index("Overall Thresholds")
    assert "Note: a note." in text


def test_missed_threshold_is_told_by_metric_slice_value_bound_and_by_how_much(page):
    assert "recall of Shirt 0.7000 at least 0.7500 0.0500" in read(page)


def test_overall_figures_stand_beside_the_baseline_and_the_original_project(page):
    text = read(page)
    assert "accuracy 0.9000 0.8500 to 0.9500 0.9200 ▼ −0.0200 0.9002" in text
    assert "cross-entropy (nats) 0.2500 0.2500 = 0 0.3720" in text


def test_every_class_has_its_row(page):
    text = read(page)
    for name in features.CLASS_NAMES:
        assert f"{name} 1,000 0.900 ▼ −0.020 0.800 = 0 0.850 = 0 0.980" in text


def test_mistakes_are_images_with_names_and_probabilities(page):
    bare = dataclasses.replace(page, data_findings=[], samples={})
    [image] = Reader(render_report(bare)).images
    assert image["src"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert image["alt"] == "Shirt taken for Coat"
    text = read(page)
    assert "1,000 of 10,000 images are taken for another class." in text
    assert "Coat 98.7 % is Shirt 1.2 %" in text


def test_what_the_data_gate_found_is_told_with_its_pictures(page):
    assert "a warning : ink in test: is <b>out</b> of range; mend those examples" in read(page)
    images = Reader(render_report(dataclasses.replace(page, samples={}))).images
    assert [image["alt"] for image in images] == ["Shirt taken for Coat", "a Bag"]


def test_data_that_the_gate_stopped_the_run_for_is_the_verdict_of_the_page(page):
    finding = Finding("drift", "stop", "ink", "train", "it is less")
    failure = Failure("it is less", "DataGate", data_findings=[finding])
    text = read(dataclasses.replace(page, verdict=judge_failure(failure), data_findings=[finding]))
    assert "The data was refused, and nothing was trained on it ink in train: it is less;" in text
    assert "stops the run : ink in train: it is less;" in text


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [(None, "did not get past the data gate"), ([], "The data gate found nothing wrong")],
)
def test_data_that_was_not_judged_is_told_from_data_that_is_good(page, findings, sentence):
    assert sentence in read(dataclasses.replace(page, data_findings=findings))


def test_classes_and_means_of_each_split_are_told(page):
    text = read(page)
    assert "Bag 501 10.0 % 51 10.2 % 101 10.1 %" in text
    assert "ink , mean: train 0.310, eval 0.320, test 0.330" in text


def test_class_that_only_one_split_has_is_told_too(page):
    test = dataclasses.replace(page.images["test"], classes={"Bag": 7, "11": 1})
    text = read(dataclasses.replace(page, images={**page.images, "test": test}))
    assert "11 0 0.0 % 0 0.0 % 1 12.5 %" in text


def test_distances_are_told_with_their_bound_and_marked_by_a_word(page):
    text = read(dataclasses.replace(page, drift=[dataclasses.replace(page.skew[0], split="test")]))
    assert "class eval ✓ near train 0.0125 0.1 L-infinity distance" in text
    assert "ink test ✗ too far train 0.0625 0.05 Jensen–Shannon divergence" in text
    assert "class test ✓ near train of the span before 0.0125" in text


def test_samples_are_images_by_class(page):
    bare = dataclasses.replace(page, data_findings=[], mistakes=[])
    assert [one["alt"] for one in Reader(render_report(bare)).images] == ["Bag", "Bag", "Dress"]


def test_confusions_slices_data_and_lineage_are_told(page):
    text = read(page)
    assert "T-shirt/top Trouser 100 10.0 %" in text
    assert f"{PARTS[INK][0]} 10,000 0.900 = 0 0.970 0.250 0.020" in text
    assert "test label int 10,000 3 0 to 9, mean 4.5" in text
    assert "time to load (s) 0.35" in text
    assert "model 9 Model /somewhere/model/9" in text
    assert "python -m pipeline.serving rollback --root /somewhere" in text


def test_model_is_told_by_what_made_it_and_not_by_the_settings_and_versions_at_hand(page):
    text = read(page)
    assert "TinyVGG on fashion_mnist-0; written by run r1" in text
    assert "Trained on fashion_mnist-0 by the code of commit 4567ef-dirty" in text
    assert "whose fingerprint is 0123abcd" in text
    assert "Seed of the training: 7." in text
    assert "training.seed 7" in text
    assert "learning_rate.peak 0.0107" in text
    assert "training.seed 9" not in text
    assert "fashion_mnist-1" not in text
    # What the model was not made by is the run's own.
    assert "evaluation.min_accuracy 0.5" in text
    assert "python 3.10.12 3.10.13" in text
    assert "vl-convert-python – 1.9" in text


def test_of_a_model_that_does_not_tell_what_made_it_nothing_is_claimed(page):
    text = read(dataclasses.replace(page, provenance=None))
    assert "TinyVGG on data that is not known; written by run r1" in text
    assert "What made the model is unknown" in text
    assert "training.seed" not in text
    assert "fashion_mnist-1" not in text
    assert "evaluation.min_accuracy 0.5" in text
    assert "python unknown 3.10.13" in text


def test_run_without_a_model_is_told_by_what_it_was_asked_for(page):
    text = read(dataclasses.replace(page, provenance=None, artifacts={}))
    assert "TinyVGG on fashion_mnist-1; written by run r1" in text
    assert "training.seed 9" in text
    assert "What made the model" not in text
    assert "python 3.10.13" in text


def test_what_comes_from_the_data_can_not_become_markup(page):
    hostile = "</script><script>alert(1)</script>"
    figures = page.evaluation.model_copy(update={"notes": [hostile]})
    html = render_report(dataclasses.replace(page, evaluation=figures))
    assert hostile not in html
    assert "is &lt;b&gt;out&lt;/b&gt; of range" in html


def test_charts_are_valid_json(page):
    [text] = re.findall(r'id="charts">(.*?)</script>', render_report(page))
    charts = json.loads(text, parse_constant=pytest.fail)
    of_the_model = {"classes", "confusion", "loss", "accuracy", "rate", "range_test"}
    assert set(charts) == {*of_the_model, "shares", "ink", "brightness"}


def test_run_without_a_baseline_says_so(page):
    first = page.evaluation.model_copy(update={"baseline": None})
    text = read(dataclasses.replace(page, evaluation=first))
    assert "There is no baseline" in text
    assert "▼" not in text


def test_class_that_the_test_split_lacks_and_an_empty_slice_are_a_sentence_each(page):
    classes = {k: v for k, v in page.evaluation.classes.items() if k != "Bag"}
    slices = {**page.evaluation.slices, INK: {PARTS[INK][0]: slice_metrics()}}
    cut = page.evaluation.model_copy(update={"classes": classes, "slices": slices})
    text = read(dataclasses.replace(page, evaluation=cut))
    assert "Bag 0 The test split has no image of this class." in text
    assert f"{PARTS[INK][1]} 0 No image of the test split falls into this slice." in text


def test_predictions_that_are_not_numbers_are_told(page):
    broken = evaluation(
        **{
            **dict(page.evaluation),
            "overall": page.evaluation.overall.model_copy(update={"loss": math.nan}),
            "confusion": [[0] * features.NUM_CLASSES] * features.NUM_CLASSES,
        }
    )
    text = read(dataclasses.replace(page, evaluation=broken, mistakes=[]))
    assert "The model's predictions are not numbers for 10,000 of 10,000 images." in text
    assert "cross-entropy (nats) –" in text


@pytest.mark.parametrize(
    ("failure", "headline", "cause"),
    [
        (Failure("no luck", "Evaluator"), "Evaluator failed", "no luck"),
        (Failure("killed"), "The run failed", "killed"),
        (Failure("interrupted", interrupted=True), "Interrupted", ""),
    ],
)
def test_run_that_came_to_nothing_has_a_page_with_a_sentence_in_each_section(
    failure, headline, cause
):
    text = read(Page(facts=RunFacts(run="r1"), verdict=judge_failure(failure)))
    assert headline in text
    assert cause in text
    assert "There are no figures: the run did not get past the Evaluator." in text
    assert "There are no curves: the run did not get past the Trainer." in text
    assert "There are no statistics: the run did not get past StatisticsGen." in text
    assert "This run pushed no model" in text


def test_page_has_the_notes_of_the_run_beside_those_of_the_evaluation(page):
    noted = dataclasses.replace(
        page, facts=dataclasses.replace(page.facts, notes=["it has no effect"])
    )
    assert "Note: a note. Note: it has no effect." in read(noted)


def test_evaluation_that_can_not_be_read_is_told():
    page = Page(RunFacts(run="r1"), judge_failure(Failure("x")), problem="It was cut off.")
    assert "There are no figures: It was cut off." in read(page)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Stands in for a version of the package that has the script; returns where it is kept."""
    built = []

    def bundle():
        built.append(1)
        return f"script {len(built)}"

    monkeypatch.setattr(render, "_bundle", bundle)
    # What was read before would hide what is kept.
    monkeypatch.setattr(render, "_script", render._script.__wrapped__)
    (tmp_path / "vl_convert").mkdir()

    def install(version):
        package = SimpleNamespace(version=version, locate_file=tmp_path.joinpath)
        monkeypatch.setattr(render.importlib.metadata, "distribution", lambda name: package)
        return tmp_path / "vl_convert" / "__pycache__" / f"vega-{version}.js"

    return install


def test_the_script_is_put_together_once_for_each_version(install):
    kept = install("1.2")
    assert [render._script(), render._script()] == ["script 1"] * 2
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]
    install("1.3")
    assert render._script() == "script 2"


def test_a_script_that_can_not_be_kept_is_put_together_anew(install):
    # Permissions do not stop root, and a directory in the place of the file stops everyone.
    kept = install("1.2")
    kept.mkdir(parents=True)
    assert [render._script(), render._script()] == ["script 1", "script 2"]
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_page_without_charts_has_no_script():
    html = render_report(Page(facts=RunFacts(run="r1"), verdict=judge_failure(Failure("x"))))
    assert "<script" not in html


def test_list_of_the_runs_links_to_their_pages():
    html = render_index(
        [
            RunEntry("r2", "today", "sample", None, "failed", None, "it <broke>", None),
            RunEntry(
                "r1", "yesterday", "fashion_mnist", 0.9249, "blessed", "3", "", "runs/r1/r.html"
            ),
        ]
    )
    reader = Reader(html)
    text = " ".join(filter(None, reader.text))
    assert "today sample – failed – it <broke> yesterday fashion_mnist 0.9249 blessed 3" in text
    assert [link for link in reader.links if not link.startswith("data:")] == ["runs/r1/r.html"]


def test_empty_list_of_runs_says_so():
    assert "There are none yet." in render_index([])


def test_without_an_original_project_there_is_no_column_for_it(page, monkeypatch):
    bare = dataclasses.replace(features.DATASET, reference=None)
    monkeypatch.setattr(features, "DATASET", bare)
    text = read(page)
    assert "accuracy 0.9000 0.8500 to 0.9500 0.9200 ▼ −0.0200 cross-entropy" in text
    assert "original project" not in text


def test_group_is_titled_by_its_classes(page):
    assert "Easily confused: T-shirt/top, Pullover, Coat, Shirt" in read(page)


@pytest.mark.parametrize(
    "verdict", [judge(None), judge_failure(Failure("a <cause> \\1", "Pusher"))]
)
def test_verdict_is_replaced_in_title_and_page_and_nothing_else(verdict):
    before = judge(evaluation(LOW_RECALL))
    facts = RunFacts(run="r1", dataset="data")
    page, wanted = (render_report(Page(facts=facts, verdict=one)) for one in (before, verdict))
    assert page != wanted
    assert replace_verdict(page, verdict) == wanted
