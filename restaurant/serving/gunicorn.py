"""Settings of gunicorn for `manage.py serve`; what depends on the call, `serve` gives on the command line."""

from pathlib import Path
from typing import Final

# Workers are not forked from a loaded site: each has connections, counters and a warm cache of its own.
preload_app: Final = False
worker_class: Final = "gthread"
threads: Final = 4
graceful_timeout: Final = 10
keepalive: Final = 5
# No access log: addresses hold customers' phone numbers.
accesslog: Final = None
errorlog: Final = "-"
loglevel: Final = "warning"
# Heartbeats go through a file, which on a disk may block.
worker_tmp_dir: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes it safely
control_socket_disable: Final = True
