"""Freshness under violence: processes killed and stopped at any moment, Redis emptied and short of memory.

`python -m tests.stress --help` says how to run it. The judge and most of the players are those of `tests.prove`.
"""
