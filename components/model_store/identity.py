"""What makes two SavedModels the same model: equal weights in an equal graph.

The files tell less. From one build to the next `saved_model.pb` numbers its functions otherwise,
the checkpoint orders its variables otherwise, and with both TensorFlow's own fingerprint differs;
the warm-up requests are other examples.
"""

import hashlib
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, graph_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from components.model_store.files import checksums

# Names and hints, on which no answer depends.
_IRRELEVANT = ("shared_name", "container", "debug_name", "config", "config_proto", "executor_type")

Digests = dict[str, str]


def model_identity(directory: Path) -> str:
    """Digests what a SavedModel computes: the operations of each signature, weights and assets.

    The digest of an operation is made of its kind, its attributes and the digests of its inputs, as
    in a Merkle tree (Merkle 1987, doi:10.1007/3-540-48184-2_32), so that neither names nor the
    order of anything count. That of a variable is made of its value.

    Args:
        directory: the SavedModel's, with the tag `serve`.

    Returns:
        64 hexadecimal digits: for each build of one model by one TensorFlow the same.

    Raises:
        OSError: there is no SavedModel.
    """
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tags = [tf.saved_model.SERVING]
        meta_graph = tf.compat.v1.saved_model.load(session, tags, str(directory))
        weights = _digest_weights(graph, session, meta_graph.graph_def)
    digester = _Digester(meta_graph.graph_def.library.function)
    signatures = [
        _digest(name, _digest_signature(signature, meta_graph.graph_def, weights, digester))
        for name, signature in sorted(meta_graph.signature_def.items())
        # How the graph is initialized is told as a signature too.
        if not name.startswith("__saved_model_")
    ]
    return _digest(*signatures, *_flatten(checksums(directory / tf.saved_model.ASSETS_DIRECTORY)))


def _digest_weights(
    graph: tf.Graph, session: tf.compat.v1.Session, graph_def: graph_pb2.GraphDef
) -> Digests:
    """Digests the value of each variable, by the name of its node."""
    reads = {
        node.name: tf.raw_ops.ReadVariableOp(
            resource=graph.get_tensor_by_name(f"{node.name}:0"), dtype=node.attr["dtype"].type
        )
        for node in graph_def.node
        if node.op == "VarHandleOp"
    }
    return {
        name: _digest(str(value.dtype), str(value.shape), value.tobytes())
        for name, value in session.run(reads).items()
    }


def _digest_signature(
    signature: meta_graph_pb2.SignatureDef,
    graph_def: graph_pb2.GraphDef,
    weights: Digests,
    digester: "_Digester",
) -> str:
    inputs = {_node_of(info.name): _digest("input", key) for key, info in signature.inputs.items()}
    known = digester.digest_nodes(graph_def.node, {**weights, **inputs})
    outputs = {key: _tensor(info.name, known) for key, info in signature.outputs.items()}
    return _digest(*_flatten(outputs))


class _Digester:
    """Digests operations, and once each function that they call."""

    def __init__(self, functions: Iterable[tf.compat.v1.GraphDef]) -> None:
        self._functions = {function.signature.name: function for function in functions}
        self._digests: Digests = {}

    def digest_nodes(self, nodes: Iterable[node_def_pb2.NodeDef], known: Digests) -> Digests:
        """Adds the digest of each node to those that are known, all by the node's name."""
        by_name = {node.name: node for node in nodes}
        sources = {
            name: {_node_of(one) for one in node.input} & by_name.keys()
            for name, node in by_name.items()
        }
        known = dict(known)
        for name in TopologicalSorter(sources).static_order():
            if name not in known:
                known[name] = self._digest_node(by_name[name], known)
        return known

    def _digest_node(self, node: node_def_pb2.NodeDef, known: Digests) -> str:
        attributes = {
            key: self._digest_attribute(value)
            for key, value in node.attr.items()
            if not key.startswith("_") and key not in _IRRELEVANT
        }
        inputs = [_tensor(one, known) for one in node.input if not one.startswith("^")]
        effects = sorted(known[_node_of(one)] for one in node.input if one.startswith("^"))
        return _digest(node.op, *_flatten(attributes), "inputs", *inputs, "after", *effects)

    def _digest_attribute(self, value: attr_value_pb2.AttrValue) -> str:
        functions = [value.func] if value.HasField("func") else value.list.func
        if functions:
            return _digest(*(self._digest_function(one.name) for one in functions))
        return _digest(value.SerializeToString(deterministic=True))

    def _digest_function(self, name: str) -> str:
        if name not in self._digests:
            function = self._functions[name]
            arguments = {
                one.name: _digest("argument", str(index))
                for index, one in enumerate(function.signature.input_arg)
            }
            known = self.digest_nodes(function.node_def, arguments)
            results = [
                _tensor(function.ret[one.name], known) for one in function.signature.output_arg
            ]
            effects = sorted(known[one] for one in function.control_ret.values())
            self._digests[name] = _digest(*results, "after", *effects)
        return self._digests[name]


def _node_of(tensor: str) -> str:
    """The node of `node`, `node:1`, `^node`, or within a function `node:output:1`."""
    return tensor.removeprefix("^").partition(":")[0]


def _tensor(name: str, known: Digests) -> str:
    node, _, output = name.partition(":")
    return _digest(known[node], output or "0")


def _flatten(digests: Mapping[str, str]) -> list[str]:
    return [part for pair in sorted(digests.items()) for part in pair]


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        # With its length, so that no two lists of parts give the same bytes.
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
