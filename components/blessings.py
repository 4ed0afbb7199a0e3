"""Which model a blessing is of, in the way that TFX's Evaluator writes it on its own."""

from tfx.components.evaluator import constants
from tfx.types import artifact

_URI = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY


def name_model(blessing: artifact.Artifact, model: artifact.Artifact) -> None:
    """Writes on a blessing which model it is of."""
    blessing.set_string_custom_property(_URI, model.uri)
    blessing.set_int_custom_property(_ID, model.id)


def is_of(blessing: artifact.Artifact, model: artifact.Artifact) -> bool:
    """Whether a blessing says that it is of this very model."""
    return (blessing.get_string_custom_property(_URI), blessing.get_int_custom_property(_ID)) == (
        model.uri,
        model.id,
    )
