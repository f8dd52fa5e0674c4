"""Comparison of models on a dataset: metrics with intervals, baselines, a ranking and its protocol.

This package exports only what does not import torch, because the demo reads votes and metric names without torch.
The entry point is ``i2i.evaluation.evaluate.evaluate``.
"""

from i2i.evaluation.metric_specs import METRICS, MetricSpec, Threshold, parse_thresholds

__all__ = ["METRICS", "MetricSpec", "Threshold", "parse_thresholds"]
