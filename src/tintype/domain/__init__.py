"""Pure values and rules. Imports the standard library alone: no clock, no environment, no async."""
