"""Answers that are kept for those who ask again and again."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.awaiting import awaited
from webui.api import polls
from webui.app import Services
from webui.jobs.events import EventBus, NoticePosted

POLL = "/sdapi/v1/progress"


class Counted:
    """An application that counts, and does meanwhile what it is told to."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.asked = status, 0
        self.meanwhile = lambda: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        number = str(self.asked).encode()
        self.meanwhile()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": number})


def ask(app: polls.PollMiddleware, path: str = POLL, query: bytes = b"", method: str = "GET") -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"].append((b"x-process-time", b"0"))  # as what lies around it does
        sent.append(message)

    awaited(app({"type": "http", "method": method, "path": path, "query_string": query}, lambda: None, send))  # pyright: ignore[reportArgumentType]
    assert len(sent[0]["headers"]) == 1
    return int(sent[1]["body"])


@pytest.fixture(autouse=True)
def kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a slow machine changes nothing."""
    monkeypatch.setattr(polls, "KEPT", 60.0)


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


def test_a_poll_is_answered_once_until_something_happens(bus: EventBus):
    app = polls.PollMiddleware(Counted(), bus)
    assert [ask(app), ask(app), ask(app, query=b"skip_current_image=true"), ask(app)] == [1, 1, 2, 1]
    bus.publish(NoticePosted("something"))
    assert [ask(app), ask(app)] == [3, 3]
    assert ask(app, "/api/v1/queue/pause", method="POST") == 4
    assert [ask(app), ask(app)] == [5, 5]


def test_what_happens_while_an_answer_is_made_keeps_it_from_being_told_again(bus: EventBus):
    counted = Counted()
    app = polls.PollMiddleware(counted, bus)
    counted.meanwhile = lambda: bus.publish(NoticePosted("something"))
    assert [ask(app), ask(app)] == [1, 2]


def test_only_polls_and_good_answers_are_kept_and_not_for_long(bus: EventBus, monkeypatch: pytest.MonkeyPatch):
    failing = polls.PollMiddleware(Counted(status=404), bus)
    assert [ask(failing, "/api/v1/jobs/none"), ask(failing, "/api/v1/jobs/none")] == [1, 2]
    app = polls.PollMiddleware(Counted(), bus)
    assert [ask(app, "/api/v1/jobs"), ask(app, "/api/v1/jobs"), ask(app), ask(app)] == [1, 2, 3, 3]
    monkeypatch.setattr(polls, "KEPT", -1.0)
    assert [ask(app), ask(app)] == [4, 5]


def test_a_poll_tells_at_once_what_the_same_client_did_before(client: TestClient, services: Services):
    services.dispatcher.queue.pause()
    job = client.post("/api/v1/jobs", json={"prompt": "x"}).json()["id"]
    assert client.get("/api/v1/queue").json()["waiting"] == [job]
    assert client.get(f"/api/v1/jobs/{job}").json()["state"] == "queued"
    client.delete(f"/api/v1/jobs/{job}")
    assert client.get("/api/v1/queue").json()["waiting"] == []
    assert client.get(f"/api/v1/jobs/{job}").json()["state"] == "cancelled"
