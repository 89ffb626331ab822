"""The site's settings for a benchmark's processes: no throttling, and the caches that peers are measured through."""

from __future__ import annotations

import os

from restaurant.settings import *  # noqa: F403 -- Django's way to vary settings: every name counts
from restaurant.settings import CACHES, CACHING, DATABASES, REDIS_URL, REST_FRAMEWORK

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
globals()["LOGGING"] = {}
# A server that is measured has addresses of the benchmark's beside the site's.
ROOT_URLCONF = os.environ.get("BENCH_URLS", "restaurant.urls")
DATABASES["default"].setdefault("CONN_MAX_AGE", None)

CACHES["locmem"] = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "LOCATION": "benchmark",
    "OPTIONS": {"MAX_ENTRIES": 2_000_000},
    "TIMEOUT": 3600,
}
# That this machine is busy with other things for a moment is no outage of Redis.
CACHING["REDIS_BUDGET_SECONDS"] = 1.0
if REDIS_URL:
    # Pickle through hiredis, as django-redis comes; another database of the same server, so that nobody meets.
    peers_url = REDIS_URL.removesuffix("/0") + "/1"
    CACHES["django-redis"] = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": peers_url}
    CACHES["django-core-redis"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL.removesuffix("/0") + "/2",
    }
    CACHEOPS_REDIS = REDIS_URL.removesuffix("/0") + "/3"
CACHEOPS = {"*.*": {"ops": "all", "timeout": 3600}}
CACHALOT_CACHE = "locmem"
# A peer that changes Django itself, such as those two, is measured in a process of its own.
INSTALLED_APPS = [*globals()["INSTALLED_APPS"], *filter(None, os.environ.get("BENCH_APPS", "").split(","))]
