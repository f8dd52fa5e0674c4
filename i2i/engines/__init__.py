"""Model files of other runtimes: written from a model of i2i, checked against torch, read safely and run.

Formats: ONNX (``onnxruntime``), OpenVINO IR (``openvino``), archives of ``torch.export`` (pt2) and ExecuTorch programs.
Each file holds the metadata of ``ExportInfo``, so that i2i and other programs know how to use it.
"""
