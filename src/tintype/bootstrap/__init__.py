"""Builds the system: the only place that chooses adapters. Arguments in, objects out; nothing starts here by itself.

`parts.py` is what processes and commands stand on; `api.py` and `worker.py` build the two sorts of processes. What is
called `…_routes` is for API processes alone: workers and commands load no web framework.
"""
