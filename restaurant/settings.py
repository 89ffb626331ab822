"""Settings of the site; everything that differs between machines comes from the environment."""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from restaurant import mongodb
from restaurant.postgresql import with_pool
from restaurant.redis_url import redis_cache

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

VAR_DIR = Path(env.str("DJANGO_VAR_DIR", default=str(BASE_DIR / "var")))
"""Where the site keeps what is its own: the SQLite file, collected static files, generated secrets."""

DEBUG: bool = env.bool("DJANGO_DEBUG", default=False)
SECRET_KEY: str = env.str("DJANGO_SECRET_KEY", default="")
if not SECRET_KEY:
    from restaurant.secret import local_secret_key

    SECRET_KEY = local_secret_key(VAR_DIR)
ALLOWED_HOSTS: list[str] = env.list("DJANGO_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "caching",
    "restaurant.profiles",
    "orders",
    "billing",
    "restaurant.replay",
    "restaurant.demo",
    "restaurant.serving",
]

MIDDLEWARE = [
    "caching.middleware.redis_budget_middleware",
    "restaurant.nul.RefuseNulMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "restaurant.csp.ContentSecurityPolicyMiddleware",
    "caching.middleware.CacheUnavailableMiddleware",
]

ROOT_URLCONF = "restaurant.urls"
WSGI_APPLICATION = "restaurant.wsgi.application"
ASGI_APPLICATION = "restaurant.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- database: SQLite unless DATABASE_URL says otherwise --------------------------------------------------------------
DATABASE_URL: str = env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
ON_MONGODB = mongodb.is_mongodb(DATABASE_URL)
DATABASES: dict[str, dict[str, Any]] = {
    "default": mongodb.database(DATABASE_URL) if ON_MONGODB else env.db_url_config(DATABASE_URL)
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    with_pool(DATABASES["default"], env.int("DATABASE_POOL", default=10))
# To connect anew takes a quarter of the time of a request that the cache answers. `?conn_max_age=0` in DATABASE_URL
# ends connections with their requests, as some poolers want it.
DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE concurrent writers fail with "database is locked", whatever the time-out.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        transaction_mode="IMMEDIATE",
        timeout=20,
        init_command="PRAGMA journal_mode=WAL;",
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if ON_MONGODB:
    DEFAULT_AUTO_FIELD, MIGRATION_MODULES = mongodb.AUTO_FIELD, mongodb.MIGRATION_MODULES
    INSTALLED_APPS = mongodb.with_object_ids(INSTALLED_APPS)

# --- Redis: none unless REDIS_URL is set, or the two of a serverless one ----------------------------------------------
REDIS_URL: str = env.str("REDIS_URL", default="")
CACHES: dict[str, dict[str, Any]] = {
    # Counts requests per client, in each process by itself: what `restaurant.api.throttling` gives the reasons for.
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if REDIS_URL:
    # Files and passwords may stand in variables of their own, as REDIS_SSL_CA_CERTS.
    CACHES["redis"] = redis_cache(REDIS_URL, env.ENVIRON)

CACHING: dict[str, Any] = {
    "PREFIX": env.str("CACHING_PREFIX", default="fa:"),
    "REDIS_ALIAS": "redis" if REDIS_URL else None,
    "REDIS_BUDGET_SECONDS": env.float("REDIS_TIMEOUT", default=0.05),
    "REST_URL": env.str("UPSTASH_REDIS_REST_URL", default="") or None,
    "REST_TOKEN": env.str("UPSTASH_REDIS_REST_TOKEN", default="") or None,
    "REST_BUDGET_SECONDS": env.float("UPSTASH_REDIS_REST_TIMEOUT", default=0.5),
    "STAMPS_DIR": env.str("CACHING_STAMPS_DIR", default="") or None,
    "PRESET": env.str("CACHING_PRESET", default="") or None,
    "METRICS_NETWORKS": env.list("CACHING_METRICS_NETWORKS", default=[]),
    "KEY_SECRETS": env.list("CACHING_KEY_SECRETS", default=[]) or None,
    "ENCRYPTION_KEYS": env.list("CACHING_ENCRYPTION_KEYS", default=[]),
}
# Else the preset says so.
if "CACHING_WARM_AT_START" in env.ENVIRON:
    CACHING["WARM_AT_START"] = env.bool("CACHING_WARM_AT_START")

# --- users and API ----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "profiles.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

REST_FRAMEWORK: dict[str, Any] = {
    # The first one says how strangers are answered: 401, not 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "restaurant.profiles.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": [
        "restaurant.api.throttling.UserThrottle",
        "restaurant.api.throttling.AnonymousThrottle",
    ],
    # Per worker process; an empty rate means no limit.
    "DEFAULT_THROTTLE_RATES": {
        "user": env.str("API_RATE_USER", default="6000/min"),
        "anonymous": env.str("API_RATE_ANONYMOUS", default="120/min"),
        "token": env.str("API_RATE_TOKEN", default="10/min"),
    },
    # How many proxies in front of the site add to X-Forwarded-For; 0: none is believed.
    "NUM_PROXIES": env.int("DJANGO_NUM_PROXIES", default=0),
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "restaurant.api.negotiation.ContentNegotiation",
    "DEFAULT_PARSER_CLASSES": ["restaurant.api.parsers.ShallowJSONParser"],
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.URLPathVersioning",
    "DEFAULT_VERSION": "v1",
    "ALLOWED_VERSIONS": ["v1"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "restaurant.api.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Restaurant API",
    "VERSION": "1.0.0",
    "DESCRIPTION": "Profiles, orders and billing of restaurants, read through a cache that is never older than the "
    "last commit. Errors are problem details (RFC 9457). Sign in with a session, or send `Authorization: Token ...`.",
    "OAS_VERSION": "3.1.0",
    # In the order of the day; operators come last.
    "TAGS": [{"name": name} for name in ("token", "profiles", "menu", "orders", "billing", "customers", "caches")],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v[0-9]+",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "restaurant.api.openapi.describe_problems",
    ],
    # The browsable page loads nothing from other sites.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- transport: HTTPS only, once there is a proxy that speaks it ------------------------------------------------------
HTTPS: bool = env.bool("DJANGO_HTTPS", default=False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# What asks for these asks each server itself, behind the proxy. A refused token was sent in the clear all the same.
SECURE_REDIRECT_EXEMPT = [r"^health/", *([r"^metrics$"] if CACHING["METRICS_NETWORKS"] else [])]
SECURE_HSTS_SECONDS: int = env.int("DJANGO_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if env.bool("DJANGO_BEHIND_PROXY", default=False):
    # Only for a proxy that sets this header itself: clients could otherwise claim it.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"

# --- log: to the console, where whoever runs the processes collects it ------------------------------------------------
LOG_FORMAT: str = env.str("DJANGO_LOG_FORMAT", default="plain")
if LOG_FORMAT not in ("plain", "json"):
    raise ImproperlyConfigured(f"DJANGO_LOG_FORMAT is plain or json, not {LOG_FORMAT!r}.")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_phone_numbers": {"()": "restaurant.logs.WithoutPhoneNumbers"}},
    "formatters": {
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "restaurant.logs.JsonLines"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["without_phone_numbers"],
            "formatter": LOG_FORMAT,
        }
    },
    "loggers": {
        "django": {"handlers": ["console"], "level": "INFO", "propagate": True},
        "caching": {"handlers": ["console"], "level": "INFO", "propagate": True},
        # Whoever asks is told that a check failed, every few seconds; that one is broken is news.
        "health_check": {"handlers": ["console"], "level": "ERROR", "propagate": True},
    },
}
