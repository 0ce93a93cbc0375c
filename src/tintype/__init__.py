"""Tintype: upload, process and deliver images on your own machines."""

__version__ = "0.1.0"
