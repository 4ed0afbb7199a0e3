"""What a worker prints goes to the log, and stops nobody."""

import io
from dataclasses import replace

from pipeline.engine.supervisor import run_worker
from tests.pipeline.engine.supervisor.handling import ignore

PRINTING = """
    print("on stdout", flush=True)
    os.write(2, b"on stderr \\xff\\n")
    subprocess.run(["echo", "from a child"])
    emit("finished")
"""


def test_what_is_printed_goes_to_the_log_alone(worker, request_, surroundings, log, capfd):
    worker(PRINTING)
    run_worker(request_, surroundings, ignore)
    assert log.read_text(encoding="utf-8") == "on stdout\non stderr \ufffd\nfrom a child\n"
    assert capfd.readouterr() == ("", "")


def test_what_is_printed_is_echoed_if_asked(worker, request_, surroundings, log):
    worker(PRINTING)
    echo = io.StringIO()
    run_worker(request_, replace(surroundings, echo=echo), ignore)
    assert echo.getvalue() == log.read_text(encoding="utf-8")
    assert "from a child" in echo.getvalue()


TALKATIVE = """
    signal.alarm(3)
    for number in range(20_000):
        print("line", number)
    sys.stdout.flush()
    emit("finished")
"""


def test_much_output_does_not_stop_the_worker(worker, request_, surroundings, log):
    worker(TALKATIVE)
    assert run_worker(request_, surroundings, ignore).failure is None
    assert log.read_text().splitlines()[-1] == "line 19999"


def test_an_echo_that_nobody_reads_any_more_does_not_stop_the_worker(
    worker, request_, surroundings, log
):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    worker(TALKATIVE)
    assert run_worker(request_, replace(surroundings, echo=Closed()), ignore).failure is None
    assert log.read_text().splitlines()[-1] == "line 19999"


def test_a_run_goes_on_without_a_log(worker, request_, surroundings, tmp_path):
    worker(TALKATIVE)
    (tmp_path / "pipeline.log.d").mkdir()
    nowhere = replace(surroundings, log=tmp_path / "pipeline.log.d")
    finished = run_worker(request_, nowhere, ignore)
    assert finished.failure is None
    [note] = finished.notes
    assert note == "the log lacks what could not be written: Is a directory"


def test_a_run_goes_on_where_the_log_can_not_be_written(worker, request_, surroundings, tmp_path):
    worker(TALKATIVE)
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    finished = run_worker(request_, replace(surroundings, log=full), ignore)
    assert finished.failure is None
    [note] = finished.notes
    assert note == "the log lacks what could not be written: No space left on device"
