"""The backend that writes what it is asked for as an ONNX graph."""
