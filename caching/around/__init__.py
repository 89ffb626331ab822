"""Follows writes that other programs make in the same database, around Django: see `manage.py follow_writes`."""
