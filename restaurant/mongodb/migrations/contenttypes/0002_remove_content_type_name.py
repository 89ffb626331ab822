"""Stands for the last of Django's own migrations, which others name as what they come after."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0001_initial"),
    ]

    operations = []
