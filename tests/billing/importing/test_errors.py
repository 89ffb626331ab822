"""What is told of a bad file."""

from billing.importing.errors import BadRowsError, Problem


def test_a_problem_reads_as_file_line_and_reason() -> None:
    assert str(Problem("orders.csv", 7, "the item name is empty")) == "orders.csv, line 7: the item name is empty"


def test_the_error_carries_every_problem() -> None:
    problems = [Problem("orders.csv", 7, "bad"), Problem("orders.csv", 9, "worse")]

    error = BadRowsError(problems)

    assert error.problems == tuple(problems)
    assert "2 bad rows" in str(error)
