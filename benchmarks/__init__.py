"""Measures webpy, nginx and other Python servers on the same work, in one run: `python3 benchmarks/run.py`."""
