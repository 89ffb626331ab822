"""Settings of gunicorn for `manage.py serve`; what depends on the call, `serve` gives on the command line."""

import sys
from pathlib import Path
from typing import Final

# Workers are not forked from a loaded site: each has connections, counters and a warm cache of its own.
preload_app: Final = False
worker_class: Final = "gthread"
threads: Final = 4
# Each worker has a listening socket of its own, among which Linux spreads connections evenly. From one that all share,
# whoever is awake takes all it finds: of eight kept connections one worker often had eight, and the other stood idle.
reuse_port: Final = sys.platform == "linux"
graceful_timeout: Final = 10
keepalive: Final = 5
# No access log: addresses hold customers' phone numbers.
accesslog: Final = None
errorlog: Final = "-"
loglevel: Final = "warning"
# Heartbeats go through a file, which on a disk may block.
worker_tmp_dir: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes it safely
control_socket_disable: Final = True
