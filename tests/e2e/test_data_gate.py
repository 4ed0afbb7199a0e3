"""Runs on data that must not be learnt from, made of the real images."""

from pathlib import Path

import pytest

from pipeline import config
from pipeline.data.idx import LabelledImages
from pipeline.data.records import write_splits
from tests.e2e.test_local_runner import served_versions


class TestDataThatMustNotBeLearntFrom:
    """Runs in one root, in this order: refused, refused again, and let pass with a warning."""

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("gate")

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, tmp_path_factory, fashion_mnist):
        """The images of `test` are inverted."""
        splits = dict(fashion_mnist.read(config.Dataset(max_examples=500)))
        test = splits["test"]
        splits["test"] = LabelledImages(255 - test.images, test.labels)
        directory = tmp_path_factory.mktemp("data") / "inverted"
        write_splits(directory, splits, {})
        return directory

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, run, root, data):
        flags = ("--data-dir", str(data))
        warn = ("--set", "data_gate.severities.default=warn", "--to-node", "Transform")
        return {
            "refused": run(root, *flags),
            "again": run(root, *flags),
            "warned": run(root, *flags, *warn),
        }

    def test_bad_data_ends_the_run_before_anything_learns(self, runs, root):
        refused = runs["refused"]
        assert refused.code == 4
        assert refused.states["DataGate"] == "failed"
        assert refused.states["Transform"] == "waiting"
        assert not served_versions(root)

    def test_each_reason_is_a_sentence_with_split_figure_and_bound(self, runs):
        refused = runs["refused"]
        assert refused.result["verdict"]["label"] == "data refused"
        reasons = refused.result["verdict"]["reasons"]
        assert any(
            reason.startswith("ink in test: its Jensen–Shannon divergence to train is 0.")
            and "is allowed; see whether" in reason
            for reason in reasons
        )
        assert all(reason in refused.screen.replace("\n", " ") for reason in reasons)
        assert "Traceback" not in refused.screen

    def test_page_of_a_refused_run_shows_the_images(self, runs):
        page = Path(runs["refused"].result["report"]).read_text(encoding="utf-8")
        assert "The data was refused, and nothing was trained on it" in page
        assert "data:image/png;base64," in page

    def test_gate_that_refused_is_asked_again_and_nothing_else(self, runs):
        again = runs["again"]
        assert again.code == 4
        assert again.states["ImageStatistics"] == "cached"
        assert again.states["DataGate"] == "failed"

    def test_severity_that_is_changed_lets_the_data_pass_with_a_warning(self, runs):
        warned = runs["warned"]
        assert warned.code == 0
        assert warned.states["ImageStatistics"] == "cached"
        assert warned.states["DataGate"] == "done"
        assert warned.states["Transform"] == "done"
        assert "Warning: ink in test: its Jensen–Shannon divergence" in warned.screen
