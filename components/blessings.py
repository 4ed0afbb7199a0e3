"""Which model a blessing is of, in the way that TFX's Evaluator writes it on its own."""

from trainer_module.tfx_internals import evaluator_constants, types

_URI = evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
_ID = evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY


def name_model(blessing: types.Artifact, model: types.Artifact) -> None:
    """Writes on a blessing which model it is of."""
    blessing.set_string_custom_property(_URI, model.uri)
    blessing.set_int_custom_property(_ID, model.id)


def is_of(blessing: types.Artifact, model: types.Artifact) -> bool:
    """Whether a blessing says that it is of this very model."""
    return (blessing.get_string_custom_property(_URI), blessing.get_int_custom_property(_ID)) == (
        model.uri,
        model.id,
    )
