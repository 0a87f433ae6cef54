"""webpy beside nginx and the Python servers, on the same work, in one run: `python3 benchmarks/run.py`."""
