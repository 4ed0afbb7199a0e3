"""Protobuf's text format, read with the place of each field, so that a file can be edited.

Protobuf's own parser loses comments and layout, and imports what takes seconds.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<blank>[ \n\t\v\f\r]+)
      | (?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>\.?[0-9](?:[eE][+-]|[A-Za-z0-9_.])*)
      | (?P<mark>[][{}<>:,;/.-])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_ESCAPED = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_CLOSING = {"{": "}", "<": ">", "[": "]"}
_DEEPEST = 50


class TextprotoError(ValueError):
    """The text is not in protobuf's text format; says where, in a phrase."""


@dataclass(frozen=True)
class Token:
    """A piece of the text: `kind` is a group of the tokenizer, `end` is exclusive."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Block:
    """The fields of a message.

    Attributes:
        fields: in the order of the text.
        start: the offset behind the opening brace; 0 for the whole text.
        end: the offset of the closing brace; the length of the whole text.
    """

    fields: tuple["Field", ...]
    start: int
    end: int

    def find(self, name: str) -> list["Field"]:
        """Returns the fields of that name."""
        return [field for field in self.fields if field.name == name]


@dataclass(frozen=True)
class Field:
    """A field and its value.

    Attributes:
        name: as written; that of an extension is in brackets.
        value: a message, the bytes of a string, any other scalar as written, or a list.
        start: the offset of the name.
        end: the offset behind the value.
        close: the offset behind the separator that may follow, else `end`.
    """

    name: str
    value: Block | bytes | str | tuple
    start: int
    end: int
    close: int

    @property
    def meaning(self) -> tuple:
        """What is equal for fields that say the same, however they are written."""
        return self.name, _meaning(self.value)


def _meaning(value: Block | bytes | str | tuple) -> object:
    if isinstance(value, Block):
        return sorted((field.meaning for field in value.fields), key=repr)
    if isinstance(value, tuple):
        return tuple(_meaning(one) for one in value)
    return value


def parse(text: str) -> Block:
    """Reads a text.

    Raises:
        TextprotoError: it is not in the text format.
    """
    return _Parser(text).parse()


def comments(text: str) -> list[str]:
    """Returns the comments of a text, each from its `#` to the end of its line."""
    return [token.text.rstrip() for token in _tokens(text) if token.kind == "comment"]


def quote(text: str) -> str:
    """Writes a string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\{ord(match[0]):03o}", escaped)
    return f'"{plain}"'


def _unquote(literal: str) -> bytes:
    def character(match: re.Match) -> bytes:
        octal, digits, short, long, other = match.groups()
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        if digits:
            return bytes([int(digits, 16)])
        if point := short or long:
            return chr(min(int(point, 16), 0x10FFFF)).encode(errors="surrogatepass")
        return bytes([_ESCAPED.get(other[0], other[0])])

    return _ESCAPE.sub(character, literal[1:-1].encode(errors="surrogateescape"))


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        # All of the pattern is in groups: what matches has one.
        if match is None or match.lastgroup is None:
            raise TextprotoError(_where(text, place))
        if match.lastgroup != "blank":
            yield Token(match.lastgroup, match[0], place, match.end())
        place = match.end()


def _where(text: str, place: int) -> str:
    return f"line {text.count(chr(10), 0, place) + 1} is not in protobuf's text format"


class _Parser:
    """Recursive descent over the tokens that are no comments."""

    def __init__(self, text: str) -> None:
        self._text = text
        end = Token("end", "", len(text), len(text))
        self._tokens = [*(one for one in _tokens(text) if one.kind != "comment"), end]
        self._next = 0
        self._depth = 0

    def parse(self) -> Block:
        fields = self._fields("")
        return Block(fields, 0, len(self._text))

    def _fields(self, closing: str) -> tuple[Field, ...]:
        fields = []
        while self._peek().text != closing:
            fields.append(self._field())
        return tuple(fields)

    def _field(self) -> Field:
        start = self._peek().start
        name = self._name()
        colon = self._accept(":")
        if not colon and self._peek().text not in _CLOSING:
            raise self._error()
        value = self._value()
        end = self._tokens[self._next - 1].end
        separator = self._accept(",;")
        return Field(name, value, start, end, separator.end if separator else end)

    def _name(self) -> str:
        if self._peek().kind == "word":
            return self._take().text
        if not self._accept("["):
            raise self._error()
        parts = []
        while self._peek().kind in ("word", "number") or self._peek().text in ("/", ".", "-"):
            parts.append(self._take().text)
        if not parts or not self._accept("]"):
            raise self._error()
        return f"[{''.join(parts)}]"

    def _value(self) -> Block | bytes | str | tuple:
        token = self._peek()
        if token.text not in _CLOSING:
            return self._scalar()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error()
        self._take()
        closing = _CLOSING[token.text]
        inside = self._list() if closing == "]" else self._fields(closing)
        last = self._peek()
        if not self._accept(closing):
            raise self._error()
        self._depth -= 1
        return inside if closing == "]" else Block(inside, token.end, last.start)

    def _list(self) -> tuple:
        values: list = []
        while self._peek().text != "]":
            if values and not self._accept(","):
                raise self._error()
            values.append(self._value())
        return tuple(values)

    def _scalar(self) -> bytes | str:
        if self._peek().kind == "string":
            parts = []
            while self._peek().kind == "string":
                parts.append(_unquote(self._take().text))
            return b"".join(parts)
        sign = self._accept("-")
        if self._peek().kind not in ("word", "number"):
            raise self._error()
        return (sign.text if sign else "") + self._take().text

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, marks: Sequence[str]) -> Token | None:
        token = self._peek()
        return self._take() if token.kind == "mark" and token.text in marks else None

    def _error(self) -> TextprotoError:
        return TextprotoError(_where(self._text, self._peek().start))
