"""Migrations of Django's own apps, as they are on MongoDB."""
