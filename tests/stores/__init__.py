"""The suite on the stores that users run, each a real server, and what was found in one table.

`python -m tests.stores --help` says how to run it.
"""
