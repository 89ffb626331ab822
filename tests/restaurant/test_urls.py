"""The site answers where it says it does."""

import pytest
from django.test import Client


@pytest.mark.django_db
def test_the_admin_site_asks_strangers_to_sign_in(client: Client) -> None:
    response = client.get("/admin/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
