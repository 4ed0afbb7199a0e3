import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components.model_store import textproto
from components.model_store.textproto import TextprotoError


def names(text):
    return [field.name for field in textproto.parse(text).fields]


@pytest.mark.parametrize(
    "text",
    [
        'a: "x" b { c: 1 }',
        "a: 'x', b: { c: 1 };",
        "# a comment { \" \n a:'x'#another\nb<c:-1>",
        'a: "x" "y" \'z\' b: <c: 0x1F>',
        "a: [1, 2, -3] b [{c: 1}, <c: 2>]",
        "a: 1.5e-3 b: -inf",
        'a: "{ # }" b: "\\" }"',
        "a\t:\v1\r\nb\f{\n}",
    ],
)
def test_fields_are_found_in_every_way_of_writing_them(text):
    assert names(text) == ["a", "b"]


def test_place_of_a_field_is_that_of_its_text():
    text = ' first { x: 1 } ; # c\n second: "a" # d\n "b", third: 3'
    fields = textproto.parse(text).fields
    assert [text[field.start : field.end] for field in fields] == [
        "first { x: 1 }",
        'second: "a" # d\n "b"',
        "third: 3",
    ]
    assert [text[field.end : field.close] for field in fields] == [" ;", ",", ""]
    first = fields[0].value
    assert text[first.start : first.end] == " x: 1 "


@pytest.mark.parametrize(
    "literal",
    [
        r'"plain"',
        r"'it\'s'",
        r'"a\"b\\c"',
        r'"\n\t\r\v\f"',
        r'"\101\x42\x4"',
        '"é" \'ü\'   "ß"',
        '""',
    ],
)
def test_string_means_what_protobuf_reads(literal):
    config = model_server_config_pb2.ModelConfig()
    text_format.Parse(f"name: {literal}", config)
    [field] = textproto.parse(f"name: {literal}").fields
    assert field.value == config.name.encode()


def test_escapes_that_servers_read_and_protobuf_in_python_does_not():
    [field] = textproto.parse(r'a: "\a\b\?\u00e9\U0001F600"').fields
    assert field.value == "\a\b?é\U0001f600".encode()


@pytest.mark.parametrize("text", ["", "a", 'a"b', "a\\b", "a\nb\x00c\x7f", "é #{}", "\\n"])
def test_quoted_string_is_read_back(text):
    config = model_server_config_pb2.ModelConfig()
    text_format.Parse(f"name: {textproto.quote(text)}", config)
    assert config.name == text
    [field] = textproto.parse(f"name: {textproto.quote(text)}").fields
    assert field.value == text.encode()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a { b: 1 c: 'x' }", 'a: < c: "x", b: 1; >', True),
        ("a: 'x' 'y'", 'a: "xy"', True),
        ("a # c\n: 1", "a: 1", True),
        ("a: 1", "a: 2", False),
        ("a: x", "a: 'x'", False),
        ("a { b: 1 }", "a { b: 1 b: 1 }", False),
        ("a: [1]", "a: 1", False),
    ],
)
def test_meaning_is_the_same_however_it_is_written(one, other, same):
    [first], [second] = (textproto.parse(text).fields for text in (one, other))
    assert (first.meaning == second.meaning) is same


def test_comments_are_told_from_strings():
    assert textproto.comments("a: '# no' # yes \r\n b: \"#\" #") == ["# yes", "#"]


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a 1",
        "a {",
        "a }",
        "a { >",
        "a < }",
        "a: 'x",
        "a: 'x\n'",
        "a: ",
        ": 1",
        "a: 1 }",
        "a: [1",
        "a: [1 2]",
        ",",
        "[]: 1",
        "a: @",
        "/* c */ a: 1",
        "\ufeffa: 1",
        "\x00",
        "a {" * 100_000,
    ],
)
def test_what_is_another_form_is_refused_with_the_line(text):
    with pytest.raises(TextprotoError, match=r"line \d+ is not in protobuf's text format"):
        textproto.parse(text)


def test_line_is_counted_from_one():
    with pytest.raises(TextprotoError, match="line 3 "):
        textproto.parse("a: 1\n\n  b b\n")
