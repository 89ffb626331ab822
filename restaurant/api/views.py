"""The base of all views that read the cache."""

from django.db import transaction
from django.utils.decorators import method_decorator
from rest_framework.views import APIView


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class NonAtomicView(APIView):
    """A view outside ATOMIC_REQUESTS: reads inside a transaction never fill the cache, and services open their own."""
