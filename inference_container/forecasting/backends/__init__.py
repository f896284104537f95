"""What runs the network: `protocol` is the port, `choice` opens an adapter.

`linear` needs numpy only, `onnx` is the one that imports onnxruntime, `torch` the one that imports torch, and `graph`,
in a process of its own, the one that imports onnx.
"""
