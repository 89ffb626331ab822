"""What is measured: each module yields the rows of one part of the table."""
