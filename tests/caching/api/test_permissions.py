"""What asks for which permission."""

from __future__ import annotations

import pytest

from tests.caching.api.test_views import CACHES, client_of
from tests.caching.operators import CLEAR, VIEW, WARM, operator


@pytest.mark.django_db
def test_options_tell_only_those_who_may_look() -> None:
    assert client_of(operator(VIEW)).options(CACHES).status_code == 200
    assert client_of(operator(CLEAR, WARM)).options(CACHES).status_code == 403


@pytest.mark.django_db
def test_a_method_that_an_address_lacks_is_not_found_out_by_strangers() -> None:
    assert client_of(operator(VIEW)).delete(CACHES).status_code == 405
    assert client_of(operator()).delete(CACHES).status_code == 403
