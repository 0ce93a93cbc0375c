"""One module per outside system. Driver errors are wrapped here."""
