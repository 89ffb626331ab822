"""The entry point for WSGI servers."""

import os

from django.core.wsgi import get_wsgi_application

from caching.warming import warm_in_background

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "restaurant.settings")

application = get_wsgi_application()

warm_in_background()
