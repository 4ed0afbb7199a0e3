"""Two ways to load a SavedModel: Python's, and the one that model servers use.

They do not agree on every model. Python's `tf.saved_model.load` rebuilds the objects that were
saved and restores each by its place among them; a server knows the graph alone, and runs the
restore operation that is in it. Imports nothing of this project.
"""

import ctypes
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

_Result = TypeVar("_Result")

Arrays = Mapping[str, np.ndarray]
"""By the name of an input or an output; strings are bytes, in an array of objects."""


@dataclass(frozen=True)
class Input:
    """What a signature takes under a name; None in `shape` stands for any number."""

    dtype: tf.DType
    shape: tuple[int | None, ...]


class PythonLoader:
    """`tf.saved_model.load`, as notebooks and TFMA use it."""

    name = "Python's loader"

    def __init__(self, directory: str) -> None:
        """Loads the SavedModel in a directory."""
        # The signatures do not keep alive what they need.
        self._model = tf.saved_model.load(directory)
        self.inputs = {
            name: {
                key: Input(spec.dtype, tuple(spec.shape))
                for key, spec in signature.structured_input_signature[1].items()
            }
            for name, signature in sorted(self._model.signatures.items())
        }

    def bind(self, name: str, given: Arrays) -> Callable[[], Arrays]:
        """Prepares a call of a signature; each call of the result runs it, and may raise."""
        signature = self._model.signatures[name]
        inputs = self.inputs[name]
        tensors = {key: tf.constant(value, inputs[key].dtype) for key, value in given.items()}

        def call() -> Arrays:
            return {key: value.numpy() for key, value in signature(**tensors).items()}

        return call


class ServerLoader:
    """TensorFlow's C API, which is a thin skin over what TensorFlow Serving calls.

    `TF_LoadSessionFromSavedModel` and `TF_SessionRun`, of the library in TensorFlow's wheel:
    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/c/c_api.h
    """

    name = "a server's loader"

    def __init__(self, directory: str) -> None:
        """Loads the SavedModel in a directory, with the tag `serve`.

        Raises:
            RuntimeError: what the library says.
        """
        self._library = _load_library()
        self._graph = self._library.TF_NewGraph()
        meta_graph = self._library.TF_NewBuffer()
        self._session = self._checked(
            self._library.TF_LoadSessionFromSavedModel,
            self._library.TF_NewSessionOptions(),
            None,
            os.fsencode(directory),
            (ctypes.c_char_p * 1)(tf.saved_model.SERVING.encode()),
            1,
            self._graph,
            meta_graph,
        )
        content = meta_graph.contents
        self._signatures = {
            name: signature
            for name, signature in meta_graph_pb2.MetaGraphDef.FromString(
                ctypes.string_at(content.data, content.length)
            ).signature_def.items()
            # How the graph is initialized is told as a signature too.
            if not name.startswith("__saved_model_")
        }
        self.inputs = {
            name: {
                key: Input(
                    tf.as_dtype(info.dtype), tuple(tf.TensorShape(info.tensor_shape).as_list())
                )
                for key, info in signature.inputs.items()
            }
            for name, signature in sorted(self._signatures.items())
        }

    def bind(self, name: str, given: Arrays) -> Callable[[], Arrays]:
        """Prepares a call of a signature; each call of the result runs it, and may raise."""
        signature = self._signatures[name]
        tensors = [self._tensor(value, signature.inputs[key].dtype) for key, value in given.items()]
        feeds = self._outputs([signature.inputs[key].name for key in given])
        fetches = self._outputs([info.name for info in signature.outputs.values()])
        values = (ctypes.c_void_p * len(tensors))(*tensors)

        def call() -> Arrays:
            found = (ctypes.c_void_p * len(fetches))()
            self._checked(
                self._library.TF_SessionRun,
                *(self._session, None, feeds, values, len(feeds), fetches, found, len(fetches)),
                *(None, 0, None),
            )
            return dict(zip(signature.outputs, map(self._array, found), strict=True))

        return call

    def _checked(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        status = self._library.TF_NewStatus()
        try:
            result = function(*arguments, status)
            if self._library.TF_GetCode(status):
                raise RuntimeError(self._library.TF_Message(status).decode(errors="replace"))
            return result
        finally:
            self._library.TF_DeleteStatus(status)

    def _outputs(self, names: list[str]) -> ctypes.Array:
        places = (name.rpartition(":") for name in names)
        return (_Output * len(names))(
            *(
                _Output(
                    self._library.TF_GraphOperationByName(self._graph, node.encode()), int(port)
                )
                for node, _, port in places
            )
        )

    def _tensor(self, value: np.ndarray, dtype: int) -> int:
        """Makes a tensor, which the process keeps to its end."""
        if tf.as_dtype(dtype) == tf.string:
            return self._string_tensor(value)
        value = np.ascontiguousarray(value, tf.as_dtype(dtype).as_numpy_dtype)
        tensor = self._allocate(dtype, value.shape, value.nbytes)
        ctypes.memmove(self._library.TF_TensorData(tensor), value.ctypes.data, value.nbytes)
        return tensor

    def _string_tensor(self, value: np.ndarray) -> int:
        tensor = self._allocate(
            tf.string.as_datatype_enum, value.shape, value.size * _TSTRING_BYTES
        )
        data = self._library.TF_TensorData(tensor)
        for index, text in enumerate(value.flat):
            place = data + index * _TSTRING_BYTES
            self._library.TF_StringInit(place)
            self._library.TF_StringCopy(place, text, len(text))
        return tensor

    def _allocate(self, dtype: int, shape: tuple[int, ...], size: int) -> int:
        dimensions = (ctypes.c_int64 * len(shape))(*shape)
        return self._library.TF_AllocateTensor(dtype, dimensions, len(shape), size)

    def _array(self, tensor: int) -> np.ndarray:
        """Copies a tensor that the library made, and gives it back."""
        library = self._library
        try:
            shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
            dtype = tf.as_dtype(library.TF_TensorType(tensor))
            data = library.TF_TensorData(tensor)
            if dtype == tf.string:
                places = (data + i * _TSTRING_BYTES for i in range(int(np.prod(shape))))
                texts = [
                    ctypes.string_at(
                        library.TF_StringGetDataPointer(place), library.TF_StringGetSize(place)
                    )
                    for place in places
                ]
                return np.array(texts, object).reshape(shape)
            size = library.TF_TensorByteSize(tensor)
            return np.frombuffer(ctypes.string_at(data, size), dtype.as_numpy_dtype).reshape(shape)
        finally:
            library.TF_DeleteTensor(tensor)


_TSTRING_BYTES = 24
"""The size of the C API's `TF_TString`: one element of a tensor of strings."""


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


def _load_library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(Path(tf.__file__).parent / "libtensorflow_cc.so.2"))
    pointer, integer, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    results = {
        "TF_NewStatus": pointer,
        "TF_DeleteStatus": None,
        "TF_GetCode": integer,
        "TF_Message": ctypes.c_char_p,
        "TF_NewGraph": pointer,
        "TF_NewBuffer": ctypes.POINTER(_Buffer),
        "TF_NewSessionOptions": pointer,
        "TF_LoadSessionFromSavedModel": pointer,
        "TF_SessionRun": None,
        "TF_GraphOperationByName": pointer,
        "TF_AllocateTensor": pointer,
        "TF_DeleteTensor": None,
        "TF_TensorData": pointer,
        "TF_TensorByteSize": size,
        "TF_TensorType": integer,
        "TF_NumDims": integer,
        "TF_Dim": ctypes.c_int64,
        "TF_StringInit": None,
        "TF_StringCopy": None,
        "TF_StringGetDataPointer": pointer,
        "TF_StringGetSize": size,
    }
    arguments = {
        "TF_DeleteStatus": [pointer],
        "TF_GetCode": [pointer],
        "TF_Message": [pointer],
        "TF_LoadSessionFromSavedModel": [
            *(pointer, pointer, ctypes.c_char_p, pointer, integer, pointer),
            *(ctypes.POINTER(_Buffer), pointer),
        ],
        "TF_SessionRun": [
            *(pointer, pointer, pointer, pointer, integer, pointer, pointer, integer),
            *(pointer, integer, pointer, pointer),
        ],
        "TF_GraphOperationByName": [pointer, ctypes.c_char_p],
        "TF_AllocateTensor": [integer, pointer, integer, size],
        "TF_DeleteTensor": [pointer],
        "TF_TensorData": [pointer],
        "TF_TensorByteSize": [pointer],
        "TF_TensorType": [pointer],
        "TF_NumDims": [pointer],
        "TF_Dim": [pointer, integer],
        "TF_StringInit": [pointer],
        "TF_StringCopy": [pointer, ctypes.c_char_p, size],
        "TF_StringGetDataPointer": [pointer],
        "TF_StringGetSize": [pointer],
    }
    for name, result in results.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments.get(name, [])
    return library
