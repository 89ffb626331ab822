"""A request's one time-out: spent once, seen by its threads and tasks, and by nobody else."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async

from caching.budget import is_spent, request_budget, spend


def test_outside_of_a_request_nothing_is_spent() -> None:
    spend()
    assert not is_spent()


def test_it_is_spent_until_the_request_ends() -> None:
    with request_budget():
        assert not is_spent()
        spend()
        assert is_spent()
    assert not is_spent()
    with request_budget():
        assert not is_spent()


async def test_threads_and_tasks_of_a_request_spend_the_same_one() -> None:
    with request_budget():
        await asyncio.create_task(sync_to_async(spend)())
        assert is_spent()


async def test_another_request_keeps_its_own() -> None:
    async def request(*, spending: bool) -> bool:
        with request_budget():
            if spending:
                spend()
            await asyncio.sleep(0)
            return is_spent()

    assert await asyncio.gather(request(spending=True), request(spending=False)) == [True, False]
