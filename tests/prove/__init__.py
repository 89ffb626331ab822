"""The proof that reads are fresh: real processes, real servers, and a check of everything they saw.

`python -m tests.prove` runs it; `docs/decisions.md` says what it has found.
"""
