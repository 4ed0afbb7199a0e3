"""Other homes for a pushed model: LiteRT, ONNX, Keras; one file for each way to write one.

`formats` says which there are, `export` runs a conversion in a process of its own, and `source`
reads what all of them start from out of a pushed version.
"""
