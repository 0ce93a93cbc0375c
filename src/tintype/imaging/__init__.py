"""Synchronous bytes → bytes: examine, sanitise, render. Knows no asyncio, socket or database."""
