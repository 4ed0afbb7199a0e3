"""What a store holds and tells, for its tests."""

from google.protobuf import text_format

from components.model_store.manifest import ModelFacts

FACTS = ModelFacts(run="r1", source="0123456789abcdef", dataset="drawn", metrics={"accuracy": 0.9})


def visible(store):
    """The versions that a model server finds."""
    return sorted(int(path.name) for path in store.directory.glob("[0-9]*"))


def live(store):
    return store.find().number


def served_config(store):
    """What TensorFlow Serving reads in models.config: name, path, versions, labels."""
    from tensorflow_serving.config import model_server_config_pb2

    text = (store.directory.parent / "models.config").read_text()
    read = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    [model] = read.model_config_list.config
    policy = model.model_version_policy
    chosen = policy.latest.num_versions or list(policy.specific.versions)
    return model.name, model.base_path, chosen, dict(model.version_labels)


def numbers(versions):
    return [version.number for version in versions]


def occupy_by_a_file(store):
    (store.directory / ".withdrawn").write_text("in the way")
