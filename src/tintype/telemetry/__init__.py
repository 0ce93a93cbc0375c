"""What a running Tintype says of itself: log lines and metrics. Secrets never pass through here."""
