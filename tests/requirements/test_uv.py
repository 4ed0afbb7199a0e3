import pytest


def test_uv_is_fetched_by_its_hash_where_there_is_none_by_a_python_that_need_not_suit(machine):
    machine.note("has_uv", "")
    machine.add_python("3.9", name="python3")
    machine.add_python("3.12", lacks="ensurepip")
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr
    assert "by uv 1.2.3" in ended.stdout
    fetches = [line for line in machine.log.read_text().splitlines() if "uv.txt" in line]
    assert len(fetches) == 1
    assert "--require-hashes" in fetches[0]
    assert "--no-deps" in fetches[0]


def test_uv_of_pyenv_that_does_not_run_counts_for_none(machine):
    machine.add_program("uv", "#!/bin/sh\nexit 127\n")
    machine.add_python("3.12")
    ended = machine.setup()
    assert ended.returncode == 0, ended.stderr
    assert "by pip" in ended.stdout


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        ("global.index-url='u'", "UV_DEFAULT_INDEX", "u"),
        ("global.index-url='u'\ninstall.index-url='v'", "UV_DEFAULT_INDEX", "v"),
        ("global.index-url='u'\n:env:.index-url='w'", "UV_DEFAULT_INDEX", "w"),
        ("global.extra-index-url='\\nu\\nv'", "UV_INDEX", "u v"),
        ("global.find-links='/nonexistent\\n/\\n/usr'", "UV_FIND_LINKS", "/,/usr"),
        ("global.cert='/ca.pem'", "SSL_CERT_FILE", "/ca.pem"),
        ("global.proxy='p'", "HTTPS_PROXY", "p"),
    ],
)
def test_uv_is_told_where_pip_would_look(uv_machine, settings, variable, value):
    uv_machine.add_python("3.12", name="python3")
    uv_machine.note("pip", f"{settings}\n")
    assert uv_machine.uv_environment()[variable] == value


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_index_that_the_user_gives_uv_stays(uv_machine, variable):
    uv_machine.add_python("3.12", name="python3")
    uv_machine.note("pip", "global.index-url='u'\n")
    uv_machine.environment[variable] = "mine"
    given = uv_machine.uv_environment()
    assert {given.get(one) for one in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")} == {"mine", None}


def test_cache_of_uv_is_in_the_checkout_unless_the_user_names_one(uv_machine, tmp_path):
    own = str(uv_machine.checkout / ".python" / "cache")
    assert uv_machine.uv_environment()["UV_CACHE_DIR"] == own
    uv_machine.environment["UV_CACHE_DIR"] = str(tmp_path / "mine")
    assert uv_machine.uv_environment()["UV_CACHE_DIR"] == str(tmp_path / "mine")
