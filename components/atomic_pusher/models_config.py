"""TensorFlow Serving's `models.config`: which version a server loads, and its labels.

Written as text, so that `rollback` answers without the server's protos.
"""

from collections.abc import Mapping, Sequence

MODELS_CONFIG_FILE = "models.config"
"""Beside the model's directory, in the serving directory."""

LIVE_LABEL = "live"
PREVIOUS_LABEL = "previous"


def build_models_config(
    name: str, server_directory: str, versions: Sequence[int], pinned: int | None
) -> str:
    """Builds the configuration of a server that polls it (`ModelServerConfig`, as text).

    Args:
        name: the model's.
        server_directory: the serving directory as the server sees it, absolute.
        versions: the visible versions.
        pinned: one of them that is to stay live, or None for the newest.

    Returns:
        The text. Unpinned, the two newest are loaded, so that the label of the previous
        one can be asked for; pinned, that one alone.
    """
    if pinned is not None:
        policy, labels = f"specific {{ versions: {pinned} }}", {LIVE_LABEL: pinned}
    else:
        newest = sorted(versions, reverse=True)[:2]
        labels = dict(zip((LIVE_LABEL, PREVIOUS_LABEL), newest, strict=False))
        policy = "latest { num_versions: 2 }"
    return _TEMPLATE.format(
        name=name,
        base_path=f"{server_directory.rstrip('/')}/{name}",
        policy=policy,
        labels=_labels(labels),
    )


def _labels(labels: Mapping[str, int]) -> str:
    return "".join(
        f'    version_labels {{ key: "{label}" value: {version} }}\n'
        for label, version in labels.items()
    )


_TEMPLATE = """\
# Written anew by each push, rollback, pin and unpin: python -m pipeline.serving
model_config_list {{
  config {{
    name: "{name}"
    base_path: "{base_path}"
    model_platform: "tensorflow"
    model_version_policy {{ {policy} }}
{labels}  }}
}}
"""
