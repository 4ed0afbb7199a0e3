"""How TOML spells a value."""

import json


def as_toml(value: object) -> str:
    """JSON's text, numbers and lists are TOML's; a table goes on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {as_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value)
