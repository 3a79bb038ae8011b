"""The tools at /mcp, asked by the protocol's own client over HTTP."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from starlette.responses import PlainTextResponse

from tests.api.conftest import ADDRESS, add_checkpoint, started, wait_until
from tests.awaiting import awaited
from webui.api.mcp.tools import TOOLS
from webui.app import Services, create_app
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.listening import listening_socket
from webui.settings import Settings

NAMES = ["generate", "img2img", "job", "metadata", "models"]
ASKING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), page=False, mcp=True)
    add_checkpoint(settings, "castles")
    with started(settings) as services:
        yield services


@pytest.fixture(scope="module")
def address(services: Services) -> Iterator[str]:
    with served(services) as address:
        yield address


@contextlib.contextmanager
def served(services: Services) -> Iterator[str]:
    """The address of a real server on a free port."""
    listener = listening_socket(replace(services.settings, port=0))
    server = uvicorn.Server(uvicorn.Config(create_app(services), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    server.should_exit = True
    thread.join(10)
    listener.close()


def asked(
    address: str,
    ask: Callable[[Client], Coroutine[Any, Any, Any]],
    headers: dict[str, str] | None = None,
    mode: Literal["auto", "legacy"] = "auto",
) -> Any:
    """What a client is answered."""

    async def work() -> Any:
        async with (
            httpx2.AsyncClient(headers=headers or {}) as http,
            Client(streamable_http_client(address, http_client=http), mode=mode) as client,
        ):
            return await ask(client)

    return awaited(work())


def called(address: str, tool: str, **arguments: Any) -> types.CallToolResult:
    return asked(address, lambda client: client.call_tool(tool, arguments))


def told(answer: types.CallToolResult) -> dict[str, Any]:
    assert not answer.is_error, answer.content
    text = answer.content[0]
    assert isinstance(text, types.TextContent) and json.loads(text.text) == answer.structured_content
    return answer.structured_content


def refusal(answer: types.CallToolResult) -> str:
    assert answer.is_error
    text = answer.content[0]
    assert isinstance(text, types.TextContent)
    return text.text


def shown(answer: types.CallToolResult) -> list[tuple[str | None, tuple[int, int]]]:
    """Format and size of each picture in an answer."""
    pictures = (
        Image.open(io.BytesIO(base64.b64decode(each.data))) for each in answer.content[1:] if isinstance(each, types.ImageContent)
    )
    return [(picture.format, picture.size) for picture in pictures]


def encoded(size: tuple[int, int] = (64, 64)) -> str:
    out = io.BytesIO()
    Image.new("RGB", size, "blue").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def test_the_tools_are_those_and_no_others_each_argument_with_type_and_words(address: str):
    listed = asked(address, lambda client: client.list_tools()).tools
    assert [tool.name for tool in listed] == NAMES
    for tool in listed:
        assert tool.description and tool.input_schema["additionalProperties"] is False
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("type"), (tool.name, name)
            assert schema.get("description") or name in ("kind", "start", "count", "stop"), (tool.name, name)
    generate = listed[0].input_schema
    assert generate["required"] == ["prompt"] and generate["properties"]["width"]["maximum"] == 2048
    every = {
        *generate["properties"],
        *generate["properties"]["settings"]["description"].replace(".", ",").replace(":", ",").replace(",", " ").split(),
    }
    assert params_of(GenerationRequest).keys() - every == {"source", "mask", "hires_source"}


def test_a_prompt_makes_pictures_as_the_checkpoint_suggests_with_their_settings(address: str, services: Services):
    reported: list[float] = []

    async def ask(client: Client) -> types.CallToolResult:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            reported.append(progress)

        arguments = {"prompt": "slow heart", "steps": 40, "seed": "18446744073709551615", "batch_count": 2}
        return await client.call_tool("generate", arguments, progress_callback=on_progress)

    answer = asked(address, ask)
    made = told(answer)
    job = services.store.get(made["job"])
    assert made["state"] == "done" and len(made["pictures"]) == 2 and shown(answer) == [("JPEG", (8, 8))] * 2
    assert (job.owner, job.request.width, job.request.steps, job.request.seed) == ("MCP", 128, 40, 2**64 - 1)
    assert made["pictures"][0]["seed"] == str(2**64 - 1) and "slow heart" in made["pictures"][0]["infotext"]
    assert Path(made["pictures"][0]["path"]).is_file()
    assert reported and reported == sorted(reported) and reported[-1] <= 1


def test_any_field_of_a_request_can_be_set_and_whole_files_asked_for(address: str, services: Services):
    answer = called(address, "generate", prompt="a", steps=1, checkpoint="castles", settings={"clip_skip": 2}, pictures="whole")
    job = services.store.get(told(answer)["job"])
    assert shown(answer) == [("PNG", (8, 8))]
    assert (job.request.checkpoint, job.request.clip_skip) == ("castles", 2)


def test_a_picture_that_was_made_is_begun_with_again_by_its_address_with_a_mask(address: str, services: Services):
    first = told(called(address, "generate", prompt="a", steps=1, pictures="none"))
    url = first["pictures"][0]["url"]
    second = called(address, "img2img", picture=url, mask=encoded(), prompt="b", steps=1, denoising_strength=0.5)
    request = services.store.get(told(second)["job"]).request
    assert request.kind == "img2img" and request.mask and request.denoising_strength == 0.5
    assert services.sources.size(request.source or "") == (8, 8)


def test_a_picture_keeps_its_proportions_where_no_size_is_asked_for(address: str, services: Services):
    made = told(called(address, "img2img", picture=encoded((64, 128)), prompt="a", steps=1, pictures="none"))
    request = services.store.get(made["job"]).request
    assert (request.width, request.height) == (88, 184)


@pytest.mark.parametrize(
    ("source", "asked_for", "made"),
    [((512, 768), {}, (104, 160)), ((2000, 10), {}, (1808, 64)), ((512, 768), {"width": 64, "height": 64}, (64, 64))],
)
def test_a_picture_keeps_its_proportions_unless_a_size_is_asked_for(address: str, services: Services, source, asked_for, made):
    answer = told(called(address, "img2img", picture=encoded(source), steps=1, pictures="none", **asked_for))
    request = services.store.get(answer["job"]).request
    assert (request.width, request.height) == made


def test_a_picture_that_was_deleted_meanwhile_hides_none_of_the_others(address: str):
    made = told(called(address, "generate", prompt="a", steps=1, batch_count=2, pictures="none"))
    Path(made["pictures"][0]["path"]).unlink()
    assert shown(called(address, "job", job=made["job"])) == [("JPEG", (8, 8))]


def test_settings_are_read_from_pictures_and_can_be_given_back(address: str):
    made = told(called(address, "generate", prompt="red heart", steps=3, seed=5, pictures="none"))
    read = told(called(address, "metadata", picture=f"http://127.0.0.1:1/{made['pictures'][0]['url'].lstrip('/')}"))
    assert read["infotext"] == made["pictures"][0]["infotext"] and read["problems"] == []
    assert (read["request"]["prompt"], read["request"]["steps"], read["request"]["seed"]) == ("red heart", 3, "5")
    assert told(called(address, "metadata", picture=f"data:image/png;base64,{encoded()}"))["infotext"] is None


def test_models_are_listed_with_the_one_in_use_and_what_suits_each(address: str):
    answer = told(called(address, "models"))
    assert answer["current"] == {"checkpoint": "castles", "vae": "Automatic"} and answer["total"] == 2
    assert {model["name"]: model["suited"]["width"] for model in answer["models"]} == {"castles": 128, "starter": 128}
    assert [model["name"] for model in told(called(address, "models", search="cast", count=1))["models"]] == ["castles"]
    assert told(called(address, "models", kind="lora"))["models"] == []


def test_who_does_not_wait_asks_later_and_may_stop(address: str):
    begun = told(called(address, "generate", prompt="slow", steps=150, batch_count=10, wait=0))
    assert begun["state"] in ("queued", "running") and begun["pictures"] == [] and begun["job"] in begun["next"]
    stopped = told(called(address, "job", job=begun["job"], stop=True))
    assert stopped["state"] == "cancelled" and "next" not in stopped


#: Tool, arguments, and words of the refusal.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("generate", {"prompt": "a", "width": 65}, "width: Width is 65; it must be divisible by 8, for example 64 or 72."),
    ("generate", {"prompt": "a", "steps": "many"}, "steps: Sampling steps: a whole number was expected"),
    ("generate", {"prompt": "a", "sampler": "Eule"}, "Did you mean “Euler”"),
    ("generate", {"prompt": "a", "checkpoint": "castels"}, "castles"),
    ("generate", {"prompt": "a", "settings": {"stepz": 3}}, "There is no field “stepz”"),
    ("generate", {"prompt": "a", "settings": []}, "settings: an object was expected"),
    ("generate", {"prompt": "a", "clip_skip": 2}, "Put it into settings"),
    ("generate", {"prompt": "a", "wait": 1e9}, "wait is 1000000000.0; it must lie between 0 and 600"),
    ("generate", {"prompt": "a", "pictures": "big"}, "it can be small, whole, none"),
    ("generate", {}, "prompt is missing"),
    ("generate", {"prompt": "broken", "steps": 1}, "The file is broken."),
    ("img2img", {"prompt": "a"}, "picture is missing"),
    ("img2img", {"picture": "/etc/passwd"}, "no valid base64"),
    ("img2img", {"picture": "QUJD"}, "source is no picture of a known format"),
    ("img2img", {"picture": "http://example.org/a.png"}, "Settings"),
    ("metadata", {"picture": "/api/v1/jobs/none/pictures/0.png"}, "none"),
    ("metadata", {"picture": "/api/v1/history/99/picture"}, "no longer in the history"),
    ("metadata", {"picture": "0" * 64}, "gone"),
    ("job", {"job": "nobody"}, "nobody"),
    ("models", {"kind": "cars"}, "it can be checkpoint, vae"),
    ("models", {"count": True}, "count: a whole number was expected"),
    ("predict", {}, "There is no tool “predict”."),
]


def test_what_cannot_be_done_is_said_in_words(address: str):
    async def ask(client: Client) -> list[types.CallToolResult]:
        return [await client.call_tool(tool, arguments) for tool, arguments, _ in REFUSED]

    answers = [refusal(answer) for answer in asked(address, ask)]
    wrong = [(row, answer) for row, answer in zip(REFUSED, answers, strict=True) if row[2] not in answer]
    assert wrong == []


def test_hosts_origins_passwords_and_sizes_are_checked_as_those_of_the_apis_are(services: Services):
    locked = replace(services, settings=replace(services.settings, api_auth=(("bot", "key"),)))
    app = create_app(locked)
    app.mount("/", PlainTextResponse("the page"))
    with TestClient(app, base_url=ADDRESS, headers=ACCEPT) as client:
        assert client.post("/mcp", json=ASKING).status_code == 401
        known = ("bot", "key")
        assert client.post("/mcp", json=ASKING, auth=known).status_code == 200
        assert client.post("/mcp", json=ASKING, auth=known, headers={"Host": "evil.example"}).status_code == 403
        assert client.post("/mcp", json=ASKING, auth=known, headers={"Origin": "http://evil.example"}).status_code == 403
        assert client.post("/mcp", content=b"", auth=known, headers={"Content-Length": str(10**9)}).status_code == 413
        assert client.get("/mcp", auth=known).status_code == 405


def test_a_client_names_itself_by_http_basic(services: Services):
    basic = {"Authorization": "Basic " + base64.b64encode(b"bot:key").decode()}
    locked = replace(services, settings=replace(services.settings, api_auth=(("bot", "key"),)))
    with served(locked) as address:
        assert httpx2.post(address, json=ASKING, headers=ACCEPT).status_code == 401
        assert asked(address, lambda client: client.list_tools(), basic).tools


def test_clients_of_the_first_versions_begin_with_a_handshake(address: str):
    assert [tool.name for tool in asked(address, lambda client: client.list_tools(), mode="legacy").tools] == NAMES


def test_without_the_flag_there_is_nothing_at_the_address(tmp_path: Path):
    with started(Settings(data_dir=tmp_path, page=False)) as others, TestClient(create_app(others), base_url=ADDRESS) as client:
        assert client.post("/mcp", json=ASKING, headers=ACCEPT).status_code == 404


def test_every_tool_says_whether_it_changes_anything():
    assert {tool.name: tool.reads for tool in TOOLS} == dict.fromkeys(NAMES[:3], False) | dict.fromkeys(NAMES[3:], True)
