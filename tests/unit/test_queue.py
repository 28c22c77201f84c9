"""The operator's queue and its workers: nothing twice at the same time, nothing forgotten."""

import asyncio
import threading

import pytest

from tacotune.handlers.queue import Key, WorkQueue
from tacotune.handlers.workers import Workers
from tacotune.ports import ClusterUnavailable

A, B = Key("voices", "a"), Key("voices", "b")


def test_a_key_waits_once_however_often_it_is_added() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        for key in (A, B, A, A):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == [A, B]
        assert len(queue) == 0

    asyncio.run(scenario())


def test_a_key_that_is_added_while_a_worker_has_it_comes_again_when_he_is_done() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add(A)
        held = await queue.get()
        queue.add(A)
        assert len(queue) == 0, "no second worker gets it"
        queue.done(held)
        assert await queue.get() == A

    asyncio.run(scenario())


def test_of_several_delays_the_shortest_counts_and_adding_beats_them_all() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add_after(A, 3600)
        queue.add_after(A, 0.001)
        queue.add_after(A, 7200)
        assert await asyncio.wait_for(queue.get(), 10) == A
        queue.done(A)
        queue.add_after(B, 3600)
        queue.add(B)
        assert await asyncio.wait_for(queue.get(), 10) == B
        queue.done(B)
        assert len(queue) == 0

    asyncio.run(scenario())


def test_a_study_that_is_gone_leaves_no_timer() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add_after(A, 0.001)
        queue.forget(A)
        queue.add_after(B, 0.01)
        assert await asyncio.wait_for(queue.get(), 10) == B
        assert len(queue) == 0

    asyncio.run(scenario())


def test_workers_come_back_to_a_study_that_failed_and_mind_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks: list[Key] = []
    enough = threading.Event()

    def look(key: Key) -> float | None:
        looks.append(key)
        if key == A and looks.count(A) == 1:
            raise ClusterUnavailable("the API server does not answer", retry_after=0.001)
        if key == A and looks.count(A) == 2:
            raise RuntimeError("a bug")
        if looks.count(A) >= 2 and B in looks:
            enough.set()
        return None

    async def scenario() -> bool:
        queue = WorkQueue()
        workers = Workers(queue, look, count=2, first_backoff=0.001)
        queue.add(A)
        queue.add(B)
        await asyncio.to_thread(enough.wait, 10)
        alive = workers.alive
        await workers.stop()
        return alive

    enough_looks = asyncio.run(scenario())
    assert enough_looks
    assert looks.count(B) == 1
    assert "the API server does not answer" in caplog.text
    assert "a bug" in caplog.text
