import pytest

from components.serving_check.findings import REPORT_FILE, Findings, read_report


@pytest.mark.parametrize(
    "report", [Findings(), Findings(["it is too large"], {"size_mb": 7.5, "difference": 0.0})]
)
def test_report_that_was_kept_is_read_whatever_the_blessing_says(report, tmp_path):
    (tmp_path / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
    assert read_report(tmp_path, blessed=not report.reasons) == report


def test_blessing_of_tfxs_own_has_neither_reasons_nor_measures(tmp_path):
    assert read_report(tmp_path, blessed=True) == Findings()


def test_refusal_of_tfxs_own_has_a_reason_made_up_for_it(tmp_path):
    assert read_report(tmp_path, blessed=False) == Findings(
        ["TFX's InfraValidator refused it: see the log"]
    )
