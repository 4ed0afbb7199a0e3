import http.server
import re
import socket
import threading
from dataclasses import dataclass, field

import pytest

from pipeline.data import download, idx
from pipeline.data.download import UnreachableError
from pipeline.errors import UserError

BLOCK, HALF = 4_000, 40_000


@dataclass
class Server:
    """What a test's server sends, how it fails, and what it was asked for."""

    files: dict[str, bytes]
    faults: list[object]
    ranges: bool = True
    length: bool = True
    address: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Redirect:
    """A fault: another address, which may name the path that was asked for."""

    target: str


@dataclass(frozen=True)
class Length:
    """A fault: what is said to be the length."""

    said: str


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files by name, with ranges; the faults come first, one a request."""

    def do_GET(self):
        plan = self.server.plan
        name, asked = self.path.rpartition("/")[2], self.headers["Range"]
        plan.requests.append((name, asked))
        fault = plan.faults.pop(0) if plan.faults else None
        if isinstance(fault, int):
            return self.send_error(fault)
        if fault == "stall":
            return plan.ending.wait(5)
        if isinstance(fault, Redirect):
            self.send_response(302)
            self.send_header("Location", fault.target.format(path=self.path))
            return self.end_headers()
        if name not in plan.files:
            return self.send_error(404)
        content, start = plan.files[name], 0
        if asked and plan.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                return self.send_error(416)
        rest = content[start:]
        self.send_response(206 if asked and plan.ranges else 200)
        if plan.length:
            said = fault.said if isinstance(fault, Length) else str(len(rest))
            self.send_header("Content-Length", said)
        self.end_headers()
        self.wfile.write(rest[:HALF] if fault in ("break", "stall halfway") else rest)
        if fault == "stall halfway":
            plan.ending.wait(5)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    """Starts servers on this machine, and ends them with the test."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    started = []

    def serve(files, *faults, **changes):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.plan = Server(files, list(faults), **changes)
        server.plan.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        started.append((server, thread))
        return server.plan

    yield serve
    for server, thread in started:
        server.plan.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def nobody(monkeypatch):
    """An address that no server answers at."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def files(small_official, monkeypatch):
    """The bytes of four small files that pass for the official ones, by name."""
    # What is received of a block when the connection breaks off is lost.
    monkeypatch.setattr(download, "_BLOCK", BLOCK)
    return {file.name: (small_official / file.name).read_bytes() for file in idx.OFFICIAL_FILES}


@pytest.fixture
def first(files):
    """The name of the first file, the one that most tests have trouble with."""
    name = idx.OFFICIAL_FILES[0].name
    assert len(files[name]) > 2 * HALF
    return name


class Progress:
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    def __call__(self, *values):
        self.told.append(values)

    def of(self, name):
        """What was received and what will be, of one file."""
        return [(received, total) for told, received, total in self.told if told == name]


@pytest.fixture
def progress():
    return Progress()


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def fetch(directory, *addresses, progress=lambda *_: None):
    download.download_missing(directory, progress, addresses=addresses, pause_s=0)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def asked_for(server, name):
    """The ranges that the server was asked for, of one file."""
    return [asked for requested, asked in server.requests if requested == name]


def test_the_real_files_arrive_as_they_are(official_dir, serve, target):
    real = {file.name: (official_dir / file.name).read_bytes() for file in idx.OFFICIAL_FILES}
    fetch(target, serve(real).address)
    assert contents(target) == real


def test_every_file_is_fetched_once_and_nothing_else_is_left(files, serve, target):
    server = serve(files)
    fetch(target, server.address)
    assert contents(target) == files
    assert server.requests == [(name, None) for name in files]


def test_the_directory_is_made(files, serve, target):
    fetch(target / "a" / "b", serve(files).address)
    assert contents(target / "a" / "b") == files


def test_a_file_that_is_there_is_not_fetched(files, first, serve, target):
    server = serve(files)
    (target / first).write_bytes(b"mine")
    fetch(target, server.address)
    assert asked_for(server, first) == []
    assert contents(target) == files | {first: b"mine"}


def test_a_part_is_resumed_where_it_ends(files, first, serve, target):
    server = serve(files)
    (target / f"{first}.part").write_bytes(files[first][:HALF])
    fetch(target, server.address)
    assert asked_for(server, first) == [f"bytes={HALF}-"]
    assert contents(target) == files


def test_a_server_that_ignores_ranges_sends_the_file_anew(files, first, serve, target):
    server = serve(files, ranges=False)
    (target / f"{first}.part").write_bytes(files[first][:HALF])
    fetch(target, server.address)
    assert asked_for(server, first) == [f"bytes={HALF}-"]
    assert contents(target) == files


def test_a_complete_part_is_taken_when_the_server_has_no_more(files, first, serve, target):
    server = serve(files)
    (target / f"{first}.part").write_bytes(files[first])
    fetch(target, server.address)
    assert asked_for(server, first) == [f"bytes={len(files[first])}-"]
    assert contents(target) == files


@pytest.mark.parametrize("surplus", [0, 10], ids=["as long as the file", "longer"])
def test_a_part_of_wrong_bytes_is_dropped_and_fetched_anew(files, first, serve, target, surplus):
    server = serve(files)
    (target / f"{first}.part").write_bytes(bytes(len(files[first]) + surplus))
    fetch(target, server.address)
    assert asked_for(server, first)[1:] == [None]
    assert contents(target) == files


def test_a_failing_server_is_asked_again(files, first, serve, target):
    server = serve(files, 500, 503)
    fetch(target, server.address)
    assert asked_for(server, first) == [None] * 3
    assert contents(target) == files


def test_a_connection_that_breaks_off_is_resumed(files, first, serve, target):
    server = serve(files, "break", "break")
    fetch(target, server.address)
    assert asked_for(server, first) == [None, f"bytes={HALF}-", f"bytes={2 * HALF}-"]
    assert contents(target) == files


def test_a_connection_that_stalls_is_resumed(files, first, serve, target, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.2)
    server = serve(files, "stall halfway")
    fetch(target, server.address)
    assert len(asked_for(server, first)) == 2
    assert contents(target) == files


def test_pauses_between_attempts_double_and_start_anew_at_the_next_address(
    files, serve, target, monkeypatch
):
    pauses = []
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    addresses = [serve(files, 500, 500, 500).address, serve(files, 500).address]
    download.download_missing(target, lambda *_: None, addresses=addresses, pause_s=0.5)
    assert pauses == [0.5, 1.0, 0.5]


def test_after_three_attempts_the_second_address_is_asked(files, first, serve, target):
    servers = serve(files, 500, 500, 500), serve(files)
    fetch(target, *(server.address for server in servers))
    assert [len(asked_for(server, first)) for server in servers] == [3, 1]
    assert contents(target) == files


def test_the_second_address_resumes_what_the_first_began(files, first, serve, target):
    begins, resumes = serve(files, "break", 500, 500), serve(files)
    fetch(target, begins.address, resumes.address)
    assert asked_for(resumes, first) == [f"bytes={HALF}-"]
    assert contents(target) == files


def test_the_second_address_is_asked_where_nobody_answers_at_the_first(
    files, nobody, serve, target
):
    fetch(target, nobody, serve(files).address)
    assert contents(target) == files


def test_the_second_address_is_asked_where_the_first_sends_wrong_bytes(files, first, serve, target):
    wrong = serve(files | {first: b"<html>Log in to this network</html>"})
    fetch(target, wrong.address, serve(files).address)
    assert contents(target) == files


def test_wrong_bytes_are_refused_and_nothing_is_left(files, first, serve, target, refusal):
    server = serve(files | {first: files[first][:-1] + b"?"})
    reason = f"{server.address} (it sent other bytes than the official ones)"
    with refusal(first, reason, "--data-dir") as caught:
        fetch(target, server.address)
    assert caught.type is UnreachableError
    assert contents(target) == {}


def test_where_nothing_is_reachable_every_address_is_named_with_its_reason(
    files, first, nobody, serve, target, monkeypatch, refusal
):
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.1)
    addresses = {
        nobody: "no connection",
        serve({}).address: "HTTP status 404",
        serve(files, *["stall"] * 3).address: "no answer within 0.1 s",
        serve(files, "break", "break", 500).address: "HTTP status 500",
    }
    reasons = " or ".join(f"{address} ({reason})" for address, reason in addresses.items())
    sentence = f"{first} could not be downloaded from {reasons}: check the network"
    with refusal(sentence, "--data-dir") as caught:
        fetch(target, *addresses)
    assert caught.type is UnreachableError
    assert first not in contents(target)


def test_a_connection_that_always_breaks_off_leaves_a_part_for_the_next_call(
    files, first, serve, target, monkeypatch, refusal
):
    monkeypatch.setattr(download, "_ATTEMPTS_PER_ADDRESS", 1)
    server = serve(files, "break")
    with refusal(first, f"{server.address} (the connection broke off)", "--data-dir"):
        fetch(target, server.address)
    assert contents(target) == {f"{first}.part": files[first][:HALF]}
    fetch(target, server.address)
    assert asked_for(server, first) == [None, f"bytes={HALF}-"]
    assert contents(target) == files


def test_progress_grows_block_by_block_to_the_size_of_each_file(files, serve, progress, target):
    fetch(target, serve(files).address, progress=progress)
    for name, content in files.items():
        size = len(content)
        received = [*range(BLOCK, size, BLOCK), size]
        assert progress.of(name) == [(0, 0), *((so_far, size) for so_far in received)]


def test_progress_counts_what_was_there(files, first, serve, progress, target):
    (target / f"{first}.part").write_bytes(files[first][:HALF])
    fetch(target, serve(files).address, progress=progress)
    size = len(files[first])
    assert progress.of(first)[:2] == [(HALF, 0), (HALF + BLOCK, size)]
    assert progress.of(first)[-1] == (size, size)


def test_progress_starts_anew_where_ranges_are_ignored(files, first, serve, progress, target):
    (target / f"{first}.part").write_bytes(files[first][:HALF])
    fetch(target, serve(files, ranges=False).address, progress=progress)
    size = len(files[first])
    assert progress.of(first)[:2] == [(HALF, 0), (BLOCK, size)]
    assert progress.of(first)[-1] == (size, size)


def test_progress_is_told_of_attempts_that_nobody_answers(nobody, progress, target):
    with pytest.raises(UnreachableError):
        fetch(target, nobody, progress=progress)
    assert progress.of(idx.OFFICIAL_FILES[0].name) == [(0, 0)] * 3


def test_progress_without_a_stated_length_ends_at_the_size(files, first, serve, progress, target):
    fetch(target, serve(files, length=False).address, progress=progress)
    assert contents(target) == files
    assert progress.of(first)[-1] == (len(files[first]), len(files[first]))


def test_a_directory_that_cannot_be_made_is_refused_before_anything_is_asked(
    files, serve, tmp_path, refusal
):
    (tmp_path / "file").touch()
    server = serve(files)
    directory = tmp_path / "file" / "data"
    sentence = f"{directory} can't be written: Not a directory"
    with refusal(sentence, "permissions", "--data-dir") as caught:
        fetch(directory, server.address)
    # Not an unreachable one: `auto` must not fall back for it.
    assert caught.type is UserError
    assert server.requests == []


def test_a_part_that_cannot_be_written_is_refused(files, first, serve, target, refusal):
    (target / f"{first}.part").mkdir()
    with refusal(f"{first}.part can't be written: Is a directory", "--data-dir"):
        fetch(target, serve(files, ranges=False).address)
    assert [path.name for path in target.iterdir()] == [f"{first}.part"]


def test_a_full_disk_is_refused_and_nothing_takes_the_final_name(
    files, first, serve, target, refusal, small_files_only
):
    server = serve(files)
    with small_files_only(HALF), refusal("can't be written: File too large", "free some space"):
        fetch(target, server.address)
    assert first not in contents(target)
    fetch(target, server.address)
    assert contents(target) == files


@pytest.mark.parametrize("said", ["many", "-3", "1e9", "", "²"])
def test_a_length_that_is_none_is_passed_over(files, serve, target, said):
    fetch(target, serve(files, Length(said)).address)
    assert contents(target) == files


@pytest.mark.parametrize("to", ["http://[", "ftp://127.0.0.1/x", "http://\udcff/", "//"])
def test_a_redirect_that_leads_nowhere_is_no_traceback(files, serve, target, to):
    broken = serve(files, *[Redirect(to)] * 3)
    fetch(target, broken.address, serve(files).address)
    assert contents(target) == files


def test_redirects_without_end_are_told(files, first, serve, target, refusal):
    server = serve(files, *[Redirect("{path}")] * 200)
    with refusal(first, f"{server.address} (it redirects without end)"):
        fetch(target, server.address)


def test_more_bytes_than_the_file_has_are_refused_before_they_fill_the_disk(
    files, first, serve, target, refusal
):
    written = []
    server = serve(files | {first: files[first] * 50})
    size = len(files[first])
    with refusal(first, f"(it sends more than the {size:,} bytes of the file)"):
        fetch(
            target, server.address, progress=lambda name, received, total: written.append(received)
        )
    assert max(written) <= size
    assert contents(target) == {}


def test_a_redirect_away_from_encryption_is_refused(files, first, target, monkeypatch, refusal):
    class Answer:
        status_code, headers, url = 200, {}, f"http://elsewhere.example/{first}"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def raise_for_status(self):
            pass

    monkeypatch.setattr(download.requests, "get", lambda *_, **__: Answer())
    with refusal(first, "(it redirects to an address without encryption)"):
        fetch(target, "https://here.example")


def test_the_official_files_are_asked_for_with_encryption():
    assert download.OFFICIAL_ADDRESSES
    assert all(address.startswith("https://") for address in download.OFFICIAL_ADDRESSES)


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("{there}", "no connection by way of the proxy"),
        ("{nobody}", "no connection by way of the proxy"),
        ("http://user:s3cret@", "the proxy that https_proxy or http_proxy names can't be used"),
        ("s3cret://user@x", "the proxy that https_proxy or http_proxy names can't be used"),
    ],
)
def test_a_proxy_is_told_without_its_credentials(
    serve, nobody, monkeypatch, caplog, capfd, tmp_path, proxy, reason
):
    caplog.set_level("DEBUG")
    places = {"there": serve({}).address, "nobody": nobody}
    known = {name: one.replace("//", "//user:s3cret@") for name, one in places.items()}
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.format(**known))
    addresses = ["https://files.invalid"]
    with pytest.raises(UnreachableError, match=re.escape(f"files.invalid ({reason})")) as caught:
        download.download_missing(tmp_path, lambda *_: None, addresses=addresses, pause_s=0)
    assert "s3cret" not in "".join([str(caught.value), caplog.text, *capfd.readouterr()])
