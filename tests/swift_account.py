"""Who may use the S3 server of the tests."""

from typing import Final

ACCESS_KEY: Final = "test:tester"
SECRET_KEY: Final = "testing"  # noqa: S105 -- of a server that is gone with the tests
REGION: Final = "us-east-1"
