"""Conversions that outgrow a machine: files at addresses, workers on Ray, a plan that is kept on disk."""
