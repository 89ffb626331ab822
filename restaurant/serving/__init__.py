"""Serves the site of a fresh clone: prepared, filled and warmed, by a production server."""
