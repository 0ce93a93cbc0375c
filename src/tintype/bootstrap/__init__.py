"""Builds the system: the only place that chooses adapters. Arguments in, objects out; nothing starts here by itself.

`parts.py` is what processes and commands stand on; `api.py` and `worker.py` build the two sorts of processes.
`images.py`, `delivery.py` and what is called `…_routes` are for API processes alone: workers and commands load no web
framework.
"""
