"""The site's settings, with a database file of the test run's own and passwords that hash fast."""

import atexit
import os
import shutil

from restaurant.settings import *  # noqa: F403 - Django's way to vary settings: every name counts, today's and later ones
from restaurant.settings import DATABASES, INSTALLED_APPS
from tests.scratch import scratch_directory

SECRET_KEY = "only for tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_TEST_DIRECTORY = scratch_directory("fast-access-tests-")
atexit.register(shutil.rmtree, _TEST_DIRECTORY, ignore_errors=True)
# Processes that tests start leave their stamps here, too, and not in the machine's memory.
os.environ["CACHING_STAMPS_DIR"] = str(_TEST_DIRECTORY)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and processes of a test share it, as the workers of a site do.
    DATABASES["default"]["TEST"] = {"NAME": str(_TEST_DIRECTORY / "test.sqlite3")}

# An empty directory that exists, so that WhiteNoise does not warn of a missing one.
STATIC_ROOT = _TEST_DIRECTORY / "static"
STATIC_ROOT.mkdir()

# The framework is tested with a project of another kind.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.shop.apps.ShopConfig"]
