"""What can be wrong with a file of order lines."""

from collections.abc import Collection
from typing import NamedTuple


class Problem(NamedTuple):
    """Why a line of the file, counted from 1, cannot be used, in plain words."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


class ImportFileError(Exception):
    """The file as a whole cannot be used; the text says why and what to do."""


class BadRowsError(ImportFileError):
    """The file has bad rows, and nothing of it is kept; `problems` lists them all."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} bad rows; nothing of the file was kept.")
