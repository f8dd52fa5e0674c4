"""The fault suite: attacks on trainings, conversions, downloads and the demo.

``python -m tests.faults`` runs it. Each kind of attack is a module with a class; see ``attack.py``.
"""
