"""Questions get their answers in order, and a worker that dies is no answer."""

import io
from types import SimpleNamespace

import pytest

from benchmarks import conversation
from benchmarks.conversation import Worker, WorkerDied, serve
from benchmarks.place import Place
from benchmarks.results import Sample, Unable
from tests.benchmarks import echo

ECHO = "tests.benchmarks.echo"


class TestWorker:
    @pytest.fixture
    def place(self, monkeypatch):
        """A place whose processes are told of no Redis: none is started."""
        monkeypatch.setattr(Place, "redis_url", "")
        with Place() as place:
            yield place

    @pytest.fixture
    def worker(self, place):
        with Worker(place, ECHO) as worker:
            yield worker

    def test_answers_hold_samples_and_reasons(self, worker):
        assert worker.ask("number", 1.5) == {"number": Sample((1.5,))}
        assert worker.ask("reason", "It is Sunday.") == {"reason": Unable("It is Sunday.")}

    def test_what_is_asked_at_once_is_answered_in_order(self, worker):
        worker.put("number", 1)
        worker.put("number", 2)

        assert [worker.take(), worker.take()] == [{"number": Sample((1.0,))}, {"number": Sample((2.0,))}]

    def test_a_worker_is_told_what_differs(self, place):
        with Worker(place, ECHO, REDIS_URL="redis://nowhere") as worker:
            assert worker.ask("told", "REDIS_URL") == {"told": Unable("redis://nowhere")}

    def test_an_error_of_a_worker_is_no_answer(self, worker):
        with pytest.raises(WorkerDied, match=f"{ECHO} ended with 1 instead of answering"):
            worker.ask("fail")

    def test_who_has_ended_cannot_be_asked(self, worker):
        with pytest.raises(WorkerDied):
            worker.ask("fail")

        with pytest.raises(WorkerDied, match=ECHO):
            worker.ask("number", 1)

    def test_the_process_ends_with_the_block(self, place):
        with Worker(place, ECHO) as worker:
            worker.ask("number", 1)

        assert worker._process.returncode is not None


@pytest.fixture
def said(monkeypatch):
    """Return what was said to these questions, served in this process."""

    def serving(asked, **questions):
        said = io.BytesIO()
        # This process is not the worker's: what is garbage here must stay so.
        monkeypatch.setattr(conversation.gc, "freeze", lambda: None)
        monkeypatch.setattr(conversation.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(asked)))
        monkeypatch.setattr(conversation.sys, "stdout", SimpleNamespace(buffer=said))
        serve(questions)
        return said.getvalue()

    return serving


def test_serving_ends_with_the_questions(said):
    asked = b'["number",1]\n["reason","Not today."]\n'

    assert said(asked, number=echo.number, reason=echo.reason) == (
        b'{"number":{"type":"sample","rounds":[1]}}\n{"reason":{"type":"unable","why":"Not today."}}\n'
    )


def test_who_is_interrupted_says_nothing(said):
    def interrupted():
        raise KeyboardInterrupt

    assert said(b'["work"]\n["number",1]\n', work=interrupted, number=echo.number) == b""
