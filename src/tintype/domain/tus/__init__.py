"""The tus resumable upload protocol, version 1.0.0 (tus.io/protocols/resumable-upload): headers in, decisions out.

Nothing here reads a socket, a clock or a database. Each module is a part of the protocol: `protocol.py` what every
request has, `creation.py` a POST, `appending.py` a PATCH, `status.py` what answers say; `metadata.py`, `checksum.py`
and `concatenation.py` the headers that have a grammar of their own. Whoever does I/O asks them, and does what they say.

Header names are in lower case, as ASGI has them.
"""
