import pytest

from pipeline.errors import UserError, make_visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("bell\x07", r"bell\x07"),
        ("over\rwritten", r"over\rwritten"),
        ("\x9b31m", r"\x9b31m"),
        ("\udcff", r"\udcff"),
        ("Größe – 28×28\nnext", "Größe – 28×28\nnext"),
    ],
    ids=["escape", "bell", "return", "c1", "bytes", "plain"],
)
def test_what_a_terminal_would_obey_is_written_out(text, shown):
    assert make_visible(text) == shown
    assert str(UserError(text)) == shown


def test_name_of_a_directory_can_not_drive_the_terminal(tmp_path, capsys):
    from pipeline import local_runner

    odd = tmp_path / "\x1b[2J"
    assert local_runner.main(["--root", str(tmp_path / "root"), "--data-dir", str(odd)]) == 2
    assert "\x1b" not in capsys.readouterr().err
