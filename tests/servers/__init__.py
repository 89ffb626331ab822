"""Database servers that the tests start themselves, from packages and without root."""
