"""PostgreSQL, the one engine: every SQL statement lives here, one function per statement, always with its bucket."""
