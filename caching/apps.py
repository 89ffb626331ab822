"""Wires the framework into Django; nothing happens at import."""

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules

from caching.mongodb_checks import refuse_djongo


class CachingConfig(AppConfig):
    name = "caching"
    verbose_name = "Caching"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: Any) -> None:
        super().__init__(app_name, app_module)
        # Now, for models are imported next.
        refuse_djongo()

    def ready(self) -> None:
        # Importing checks registers them.
        from caching import (  # noqa: F401
            adaptive_checks,
            audit_checks,
            checks,
            cluster_checks,
            declaration_checks,
            encryption_checks,
            history_checks,
            key_secret_checks,
            mongodb_checks,
            prefetch_checks,
            quota_checks,
            redis_checks,
            rest_checks,
            routing_checks,
            signals,
            warming_checks,
        )
        from caching.around import checks as around_checks  # noqa: F401 -- the same
        from caching.telemetry import checks as telemetry_checks  # noqa: F401 -- the same

        signals.connect()
        autodiscover_modules("cached")
        signals.connect_models()
        setting_changed.connect(_on_setting, dispatch_uid="caching")
        _offer_metrics()


def _offer_metrics() -> None:
    try:
        import opentelemetry.metrics  # noqa: F401 -- optional
    except ImportError:
        return
    from caching.telemetry.otel import instrument

    instrument()


def _on_setting(setting: str, **_: object) -> None:
    from caching import direct, key_secrets
    from caching.runtime import runtime

    if setting in {"CACHING", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        key_secrets.forget()
        direct.forget_routes()
    if setting in {"CACHING", "CACHES"}:
        runtime.reset()
