"""The proof that reads are fresh: real processes, real servers, and a judge of everything they saw.

`python -m tests.prove --help` says how to run it.
"""
