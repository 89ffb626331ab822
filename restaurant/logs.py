"""Keeps personal data out of the log, and writes it as JSON lines: Django logs the path of every request it refuses."""

import logging
import re
from typing import Any

from pythonjsonlogger.json import JsonFormatter

__all__ = ["JsonLines", "WithoutPhoneNumbers"]

# The addresses of a customer's balance and transactions hold the phone number, in any spelling.
_CUSTOMER = re.compile(r"(/customers/)[^/]+")

# Of other loggers' fields only these: Django's hold the request, with its path and query.
_HARMLESS = frozenset({"timestamp", "level", "logger", "message", "exc_info", "status_code"})


class WithoutPhoneNumbers(logging.Filter):
    """Replaces the phone number in a customer's address before a handler writes the message."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "/customers/" in message:
            record.msg, record.args = _CUSTOMER.sub(r"\1(number)", message), ()
        return True


class JsonLines(JsonFormatter):
    """One JSON object a line: `timestamp`, `level`, `logger`, `message`, and the fields of the framework's messages."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger"}
        super().__init__([*names, "message"], rename_fields=names, timestamp=True)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        if log_data.get("logger") == "caching":
            return log_data
        return {name: value for name, value in log_data.items() if name in _HARMLESS}
