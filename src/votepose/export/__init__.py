"""Exports network and grouping as one file: ONNX, OpenVINO or torch.export."""
