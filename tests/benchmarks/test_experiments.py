import json
import sys

import pytest

from benchmarks import experiments
from pipeline import nodes
from pipeline.config import load_config


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_every_experiment_is_a_configuration(name):
    experiment = experiments.EXPERIMENTS[name]
    load_config(experiments.PRESETS / f"{experiment.preset}.toml", experiment.settings)
    assert experiment.last_node is None or experiment.last_node in nodes.NODES


def row(experiment="tiny", seed=0, test_accuracy=0.925, **fields):
    return {
        "experiment": experiment,
        "seed": seed,
        "parameters": 12_794,
        "learning_rate": 0.0033,
        "eval_accuracy": 0.93,
        "eval_loss": 0.21,
        "test_accuracy": test_accuracy,
        "test_loss": 0.22,
        "trainer_minutes": 4.5,
        **fields,
    }


def test_the_table_has_mean_and_deviation_over_the_seeds():
    table = experiments.tabulate([row(), row(seed=1, test_accuracy=0.927, test_loss=0.22)])
    [line] = table.splitlines()[2:]
    assert line == (
        "| tiny | 2 | 12,794 | 3.3e-03 | 0.9300 ± 0.0000 | 0.2100 ± 0.0000 | 0.9260 ± 0.0014 "
        "| 0.2200 ± 0.0000 |"
    )


def test_the_table_leaves_open_what_was_not_evaluated():
    [line] = experiments.tabulate([row(test_accuracy=None)]).splitlines()[2:]
    assert line.split(" | ")[4:7] == ["0.9300", "0.2100", "–"]


def test_what_is_on_record_is_not_measured_again(monkeypatch, tmp_path, capsys):
    record = tmp_path / "record.jsonl"
    record.write_text(json.dumps(row(seed=1)) + "\n")
    monkeypatch.setattr(experiments, "RECORD", record)
    measured = []

    def measure(name, seed, root):
        measured.append((name, seed))
        return row(name, seed)

    monkeypatch.setattr(experiments, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["experiments", "tiny"])
    experiments.main()
    assert measured == [("tiny", 0), ("tiny", 2)]
    assert len(record.read_text().splitlines()) == 3
    assert "| tiny | 3 |" in capsys.readouterr().out
