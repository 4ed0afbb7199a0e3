"""Whatever a file of settings or `--set` says is a configuration, or sentences that say why not."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline import config, settings, workspace
from pipeline.config import load_config
from pipeline.errors import UserError
from tests.fuzz import spoiling

DEFAULTS = config.Config().model_dump(mode="json", exclude_none=True)
KEYS = [f"{group}.{name}" for group, values in DEFAULTS.items() for name in values]
# What TOML has beside what JSON has.
LITERALS = st.sampled_from(
    [
        *("nan", "-inf", "1e400", "0x" + "f" * 5000, "1979-05-27", "07:32:00", "1979-05-27T07:32Z"),
        *('"\\u0000"', '"\\u0001"', "'''", "[[[[", "{a.b = 1}", "9" * 5000, "[" * 5000, ""),
    ]
)


def spell(value):
    """Writes a value as TOML, as far as there is a spelling."""
    return settings.as_toml(value)


@st.composite
def tomls(draw):
    """A file of all settings, some of them spoiled."""
    document = draw(spoiling.documents(DEFAULTS))
    lines = []
    for group, values in document.items() if isinstance(document, dict) else ():
        lines.append(f"[{spell(group)}]")
        for name, value in values.items() if isinstance(values, dict) else ():
            literal = draw(LITERALS) if draw(st.integers(0, 60)) == 0 else spell(value)
            lines.append(f"{spell(name)} = {literal}")
    return "\n".join(lines).encode(errors="surrogatepass")


def use(asked):
    """What a command does with a configuration at once: paths, and all settings as TOML."""
    workspace.workspace(asked.paths, config.SAMPLE)
    workspace.workspace(asked.paths, config.AUTO)
    text = settings.to_toml(asked)
    text.encode()
    assert settings.differing(asked) is not None
    return text


@given(content=spoiling.files(tomls()))
def test_a_file_of_settings_is_taken_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "settings.toml"
    file.write_bytes(content)
    try:
        asked = load_config(file)
    except UserError as error:
        str(error).encode()
        return
    # What is printed of it is the same configuration.
    file.write_text(use(asked), encoding="utf-8")
    assert load_config(file) == asked


TEXTS = st.one_of(
    st.builds(
        lambda key, value: f"{key}={value}",
        st.one_of(st.sampled_from(KEYS), st.text(max_size=12)),
        st.one_of(spoiling.VALUES.map(spell), LITERALS, st.text(max_size=20)),
    ),
    st.text(st.characters(), max_size=20),
)


@given(assignments=st.lists(TEXTS, max_size=3))
def test_assignments_are_taken_or_refused(assignments):
    try:
        asked = load_config(None, assignments)
    except UserError as error:
        str(error).encode()
        return
    use(asked)
