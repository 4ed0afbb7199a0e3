from types import SimpleNamespace

import pytest

from components import tfx_public

WHOLE = dict.fromkeys(tfx_public.COMPONENTS, object)


def test_whole_tfx_is_taken_as_it_is():
    tfx_public.require(tfx_public.tfx.components)
    tfx_public.require(SimpleNamespace(**WHOLE))


@pytest.mark.parametrize("name", tfx_public.COMPONENTS)
def test_component_that_could_not_be_imported_is_named(name):
    for found in ({**WHOLE, name: None}, {key: WHOLE[key] for key in WHOLE if key != name}):
        with pytest.raises(ImportError, match=f"TFX could not import its {name}, ") as caught:
            tfx_public.require(SimpleNamespace(**found))
        # It is where the table has it.
        assert caught.value.__cause__ is None


def test_cause_is_what_importing_it_says(monkeypatch):
    monkeypatch.setitem(tfx_public.COMPONENTS, "Trainer", "absent")
    with pytest.raises(ImportError) as caught:
        tfx_public.require(SimpleNamespace(**{**WHOLE, "Trainer": None}))
    assert "tfx.components.absent" in str(caught.value.__cause__)
