import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_data_validation as tfdv

import schema as curated_schemas
from pipeline import config, schema
from pipeline.config import PROJECT_DIRECTORY
from pipeline.curation import curated
from pipeline.runs import lookup
from tests.pipeline.measuring import EXAMPLES, GOOD, measure, to_list
from trainer_module import features

RUN = "2026-11-24T13-00-00.000"

INFERRED = """
feature { name: "image" type: BYTES shape { dim { size: 1 } } }
feature { name: "label" type: INT shape { dim { size: 1 } } }
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def keep(root, keep_data):
    """Leaves a run on data as curated, but for some columns; of no images, if they are None."""
    place = lookup.find_places(config.Config(paths=config.Paths(root=root)))[0]

    def keep(run_id=RUN, raw=(), images=()):
        outputs = {"StatisticsGen": GOOD["schema.pbtxt"]() | dict(raw), "SchemaGen": INFERRED}
        if images is not None:
            outputs["ImageStatistics"] = GOOD["images.pbtxt"]() | dict(images)
        keep_data(place, run_id, outputs)

    return keep


@pytest.fixture
def command(root, capsys, monkeypatch):
    """Runs the command; returns its exit code, and what it printed or the object with `--json`."""
    monkeypatch.setenv("COLUMNS", "100")

    def command(name, *arguments):
        flags = () if name == "show" else ("--root", str(root))
        code = schema.main([name, *flags, *map(str, arguments)])
        printed = capsys.readouterr().out
        return code, json.loads(printed) if "--json" in arguments else printed

    return command


def lines(screen):
    return [" ".join(line.split()) for line in screen.splitlines()]


WITH_11 = {"label": [[number % 10] for number in range(EXAMPLES - 1)] + [[11]]}
WITHOUT_INK = {"ink": [[0.0], *[[0.5]] * (EXAMPLES - 1)]}


def test_show_says_what_is_asked_of_each_feature(command):
    code, screen = command("show")
    assert code == 0
    assert "schema.pbtxt, the raw examples" in lines(screen)
    assert "feature type present in values bounds numbers" in lines(screen)
    assert "label int every example 1 0 to 9 any" in lines(screen)
    assert "0 T-shirt/top 1 Trouser 2 Pullover" in " ".join(lines(screen))
    assert "images.pbtxt, what is measured on the images" in lines(screen)
    assert "ink float every example 1 0.01 to 0.99 no NaN" in lines(screen)


def test_show_takes_one_of_them(command):
    _, screen = command("show", "images.pbtxt")
    assert "images.pbtxt" in screen
    assert "schema.pbtxt" not in screen


def test_show_tells_a_program_the_same(command):
    _, document = command("show", "--json")
    assert [*document["schemas"]] == ["schema.pbtxt", "images.pbtxt"]
    found = document["schemas"]["schema.pbtxt"]
    assert found["file"] == str(curated_schemas.SCHEMA_FILE)
    assert found["features"]["label"] == {
        "type": "int",
        "present": "every example",
        "values": "1",
        "bounds": "0 to 9",
        "numbers": "any",
        "names": list(features.CLASS_NAMES),
    }


def test_diff_ends_well_where_nothing_that_matters_differs(command, keep):
    keep()
    code, screen = command("diff")
    assert code == 0
    assert "outside" not in screen
    assert "within label values 1 1 in a list" in lines(screen)


def test_diff_says_what_is_outside_first_and_ends_with_1(command, keep, root):
    keep(raw=WITH_11)
    code, screen = command("diff")
    assert code == 1
    heading, _, first = lines(screen)[:3]
    assert heading == f"schema.pbtxt and the raw examples of run {RUN} in {root}"
    assert first == "outside label bounds 0 to 9 0 to 11"


def test_diff_of_one_schema_leaves_the_other_aside(command, keep):
    keep(raw=WITH_11)
    assert command("diff", "images.pbtxt")[0] == 0
    assert command("diff", "schema.pbtxt")[0] == 1


def test_diff_tells_a_program_the_same(command, keep, root):
    keep(images=WITHOUT_INK)
    code, document = command("diff", "--json")
    assert code == 1
    found = document["schemas"]["images.pbtxt"]
    assert (found["run"], found["root"]) == (RUN, str(root))
    assert found["differences"][0] == {
        "feature": "ink",
        "what": "bounds",
        "curated": "0.01 to 0.99",
        "data": "0 to 0.5",
        "outside": True,
    }


def test_images_that_no_run_measured_are_left_out_with_a_note(command, keep):
    keep(images=None)
    code, screen = command("diff")
    assert code == 0
    assert "note: images.pbtxt was left out: there is no output of ImageStatistics" in screen
    assert command("diff", "--json")[1]["schemas"]["images.pbtxt"] is None


def test_what_is_asked_for_alone_and_is_not_there_is_refused_with_the_way_to_it(
    command, keep, root, refusal
):
    keep(images=None)
    with refusal("no output of ImageStatistics of any run in", root, "images.pbtxt", "--to-node"):
        command("diff", "images.pbtxt")


def test_a_run_that_is_named_is_the_one_that_is_compared(command, keep, refusal):
    keep(raw=WITH_11)
    keep("2026-11-24T14-00-00.000")
    assert command("diff")[0] == 0
    assert command("diff", "--run", "2026-11-24T13")[0] == 1
    with refusal("There is no run 2027"):
        command("diff", "--run", "2027")


def test_a_root_without_runs_is_refused(command, root, refusal):
    with refusal(root, "has no runs"):
        command("diff")


@pytest.fixture
def untouched():
    """Makes sure that the curated schemas stay as they are."""
    before = [one.file.read_bytes() for one in curated.CURATED.values()]
    yield
    assert [one.file.read_bytes() for one in curated.CURATED.values()] == before


def test_update_prints_the_change_that_takes_the_data(command, keep, untouched):
    keep(raw=WITH_11)
    code, screen = command("update")
    assert code == 0
    changes = [line for line in screen.splitlines() if line[:1] in ("-", "+")]
    assert changes == [
        "--- schema.pbtxt",
        "+++ schema.pbtxt (proposed)",
        "-    max: 9",
        "+    max: 11",
    ]
    assert f"images.pbtxt takes the data of run {RUN} as it is: nothing to propose" in screen


def test_update_writes_the_proposal_into_another_file(command, keep, tmp_path, untouched):
    keep(images=WITHOUT_INK)
    file = tmp_path / "proposal.pbtxt"
    code, document = command("update", "images.pbtxt", "--write", file, "--json")
    assert (code, document["schemas"]["images.pbtxt"]["written"]) == (0, str(file))
    text = file.read_text()
    assert "# The fraction of pixels that are not black." in text
    split = measure(GOOD["images.pbtxt"]() | WITHOUT_INK)
    assert not tfdv.validate_statistics(to_list(split), curated.parse(text, file)).anomaly_info


def test_update_writes_nothing_where_there_is_nothing_to_propose(command, keep, tmp_path):
    keep()
    file = tmp_path / "proposal.pbtxt"
    _, document = command("update", "schema.pbtxt", "--write", file, "--json")
    assert document["schemas"]["schema.pbtxt"] == {
        "run": RUN,
        "root": str(tmp_path / "root"),
        "diff": [],
        "given_up": [],
        "written": None,
    }
    assert not file.exists()


def test_update_notes_what_would_be_given_up(command, keep):
    keep(raw={"label": [[str(number)] for number in range(EXAMPLES)]})
    _, screen = command("update", "schema.pbtxt")
    assert "note: label would no longer be asked for" in screen


def test_update_never_writes_a_curated_schema(command, keep, untouched, refusal):
    keep(raw=WITH_11)
    for file in (curated_schemas.SCHEMA_FILE, curated_schemas.IMAGES_FILE):
        with refusal(file, "only a person changes"):
            command("update", "schema.pbtxt", "--write", file)


def test_update_writes_one_schema_at_a_time(command, keep, tmp_path, refusal):
    keep(raw=WITH_11)
    with refusal("--write takes one schema"):
        command("update", "--write", tmp_path / "proposal.pbtxt")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "schema"], "SCHEMA can't be 'schema': did you mean schema.pbtxt?"),
        (["dif"], "There is no command 'dif': did you mean diff?"),
        (["update", "--wirte=x"], "There is no flag --wirte: did you mean --write?"),
    ],
    ids=["schema", "command", "flag"],
)
def test_wrong_arguments_are_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        schema.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_command_finds_the_schemas_from_any_directory(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.schema", "show", "--json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT_DIRECTORY), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    [file, _] = [one["file"] for one in json.loads(ended.stdout)["schemas"].values()]
    assert Path(file) == curated_schemas.SCHEMA_FILE
