"""Custom properties by which our components' artifacts say what came of them."""

SKIPPED = "skipped"
"""Why a component did nothing, in a phrase; on its output."""

HELD_BACK = "held_back"
"""Of a `PushedModel`: the version as which the same model was rolled back."""

PUSHED_BY = "pushed_by"
"""Of a `PushedModel`: the run that made the version; empty where it was there already."""

LIVE_VERSION = "live_version"
"""Of a `PushedModel`: the version that was live after the push, as text."""

FILES = "files"
"""The files that an artifact was made with: see `components.listing`."""

EXAMPLES = "examples"
"""Of `Examples`: how many each split has, an object in JSON."""
