"""The entry point for ASGI servers."""

import os

from django.core.asgi import get_asgi_application

from caching.warming import warm_in_background

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "restaurant.settings")

application = get_asgi_application()

warm_in_background()
