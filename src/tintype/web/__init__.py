"""HTTP: the only layer that knows a URL or a status code."""
