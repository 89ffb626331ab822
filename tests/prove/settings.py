"""The site's settings for the processes of a proof run: scratch places, no throttling, the test-only application."""

import os

from restaurant.settings import *  # noqa: F403 - Django's way to vary settings: every name counts, today's and later ones
from restaurant.settings import CACHING, INSTALLED_APPS

SECRET_KEY = "only for the proof"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = False
INSTALLED_APPS = [*INSTALLED_APPS, "tests.prove"]
REST_FRAMEWORK = {**globals().get("REST_FRAMEWORK", {}), "DEFAULT_THROTTLE_CLASSES": []}
CACHING = {**CACHING, "STAMPS_DIR": os.environ["PROVE_STAMPS_DIR"], "WARM_AT_START": False}
# A busy machine must not turn the proof of freshness into one of time-outs.
CACHING["REDIS_BUDGET_SECONDS"] = CACHING["REST_BUDGET_SECONDS"] = 5.0
