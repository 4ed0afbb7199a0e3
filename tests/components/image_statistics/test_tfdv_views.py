"""TFDV's own views open what the component puts out."""

from pathlib import Path

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.utils import anomalies_util, display_util

from components.split_files import ANOMALIES_FILE, STATISTICS_FILE
from tests.components.image_statistics.conftest import draw_image, make_example


def test_tfdv_opens_statistics_and_anomalies(run, capsys):
    images = [make_example(draw_image(seed), seed % 10) for seed in range(20)]
    outputs = run(train=images, test=[images[0], make_example(draw_image(99), 1)])
    train, test = (
        tfdv.load_stats_binary(str(Path(outputs.statistics.uri, f"Split-{split}", STATISTICS_FILE)))
        for split in ("train", "test")
    )
    assert "<facets-overview" in display_util.get_statistics_html(train, test, "train", "test")
    found = anomalies_util.load_anomalies_binary(
        str(Path(outputs.anomalies.uri, "Split-test", ANOMALIES_FILE))
    )
    table = display_util.get_anomalies_dataframe(found)
    assert table["Anomaly short description"].tolist() == ["Images of another split"]
    # What a notebook calls.
    capsys.readouterr()
    tfdv.visualize_statistics(train, test, "train", "test")
    tfdv.display_anomalies(found)
    shown = capsys.readouterr().out
    assert "HTML" in shown
    assert "Images of another split" in shown
