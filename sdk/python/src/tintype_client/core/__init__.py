"""What the client does, without doing it.

Flows yield effects (`effects.py`) and are resumed with what came of them. Two drivers beside this package perform the
effects, one blocking, one on an event loop; tests of the core use neither.
"""
