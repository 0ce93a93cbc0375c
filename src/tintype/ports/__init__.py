"""Protocols at process boundaries. Each docstring is a contract that `tests/contract` runs against every adapter."""
