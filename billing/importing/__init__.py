"""Orders of another system, read from a file of order lines and written as history."""
