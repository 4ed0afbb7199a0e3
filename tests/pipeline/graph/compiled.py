"""What is read of a graph once TFX has compiled it."""

from tfx.dsl.compiler import compiler


def compile_nodes(pipeline):
    """The nodes of the compiled pipeline by name, in the order in which they run."""
    compiled = compiler.Compiler().compile(pipeline)
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes}


def producer_of(compiled, reader, key):
    """The name of the node from which one of the compiled nodes takes an input."""
    [channel] = compiled[reader].inputs.inputs[key].channels
    return channel.producer_node_query.id


def parameters(node):
    """A node's execution properties as they are compiled, JSON as text."""
    return {
        name: value.field_value.string_value or value.field_value.int_value
        for name, value in node.parameters.parameters.items()
    }


def changed_nodes(before, after):
    """The names of the nodes whose execution properties differ."""
    before, after = (
        {name: parameters(node) for name, node in compile_nodes(pipeline).items()}
        for pipeline in (before, after)
    )
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}
