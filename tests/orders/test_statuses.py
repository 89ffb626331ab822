"""The table of moves is complete, has an end, and says what is active and payable."""

from orders.statuses import ACTIVE, MOVES, PAYABLE, Status, moves_by_hand


def test_every_status_is_in_the_table() -> None:
    assert set(MOVES) == set(Status)


def test_active_is_every_status_before_paid_and_cancelled() -> None:
    assert set(ACTIVE) == set(Status) - {Status.PAID, Status.CANCELLED}


def test_every_active_order_can_reach_an_end() -> None:
    def ends(status: Status) -> set[Status]:
        return {status}.union(*(ends(move) for move in MOVES[status]))

    assert all(Status.PAID in ends(status) for status in ACTIVE)


def test_orders_are_paid_when_ready_or_served() -> None:
    assert PAYABLE == (Status.READY, Status.SERVED)


def test_nobody_moves_an_order_to_paid_by_hand() -> None:
    assert not any(Status.PAID in moves_by_hand(status) for status in Status)
    assert moves_by_hand("ready") == (Status.SERVED, Status.CANCELLED)
