"""A small week: two days of a few made-up orders, as a file of the shape of the true one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from benchmarks.policies.simulation import Plan
from benchmarks.policies.week import days_from, orders_import, week_read

FIRST = date(2019, 4, 29)
SEED = 7

_HEADER = "Order Number,Order Date,Item Name,Quantity,Product Price,Total products"
_ORDERS = ((1, "29/04/2019 19:00"), (2, "29/04/2019 20:30"), (3, "30/04/2019 18:15"), (4, "01/05/2019 19:00"))


def file_write(folder: Path) -> Path:
    """Write the file; returns its path."""
    lines = [f"{number},{at},{dish},1,{number}.50,2" for number, at in _ORDERS for dish in ("Naan", "Balti")]
    path = folder / "orders.csv"
    path.write_text("\n".join([_HEADER, *lines]) + "\n")
    return path


def plan_make(folder: Path, *, learn: int = 0, days: int = 1) -> Plan:
    """Import the first days of the week; returns what is to be played."""
    every_day = days_from(FIRST, learn + days)
    orders_import(file_write(folder), every_day)
    return Plan(week_read(every_day), every_day[:learn], every_day[learn:], SEED)


__all__ = ["FIRST", "SEED", "file_write", "plan_make"]
