import json
import re
from collections.abc import Iterator
from pathlib import Path

import gradio
import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from webui.app import Services, create_app
from webui.ui import asset_files
from webui.ui.asset_files import Assets, opening_modules, version
from webui.ui.delivery import DeliveryMiddleware
from webui.ui.gradio_script import CHANGES, is_changed, quickened
from webui.ui.lightening import lightened, without_unread

GRADIOS = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"

CONFIG = {
    "title": "Periplus",
    "components": [
        {"id": 1, "type": "tabitem", "props": {"label": "txt<2>img"}, "api_info": {"type": "string"}},
        {"id": 2, "type": "api", "props": {}},
    ],
    "dependencies": [
        {"id": 0, "targets": [[1, "click"]], "trigger_after": None},
        {"id": 1, "targets": [], "trigger_after": 0},
        {"id": 2, "targets": [], "trigger_after": None},
    ],
    "layout": {"id": 0, "children": [{"id": 1}, {"id": 2}]},
    "page": {"": {"layout": {"id": 0, "children": [{"id": 1, "children": [{"id": 2}]}]}}},
    "head": '<link rel="stylesheet" href="webui-assets/css/page.css"><script src="webui-assets/js/main.js"></script>',
}

HTML = (
    "<html><head><script>window.gradio_config = {config};</script><script>window.gradio_api_info = {api};</script></head>"
    '<body style="a"><gradio-app></gradio-app></body></html>'
)


def page_of(config: dict) -> str:
    data = json.dumps(config).replace("<", "\\u003c")
    return HTML.replace("{config}", data).replace("{api}", json.dumps({"named_endpoints": {"/long": {"code_snippets": {}}}}))


def test_a_page_leaves_without_what_describes_its_api():
    config = without_unread(CONFIG)
    assert config["components"] == [{"id": 1, "type": "tabitem", "props": {"label": "txt<2>img"}}]
    assert [event["id"] for event in config["dependencies"]] == [0, 1]
    assert config["layout"] == {"id": 0, "children": [{"id": 1}]}
    assert config["page"][""]["layout"] == {"id": 0, "children": [{"id": 1, "children": []}]}
    assert "code_snippets" not in lightened(page_of(CONFIG), "v-1")


def test_a_link_to_the_page_is_not_shown_as_gradios():
    card = '<meta\n property="og:description"\n content="Click to try out the app!" /><meta name="twitter:card" content="x">'
    html = lightened(page_of(CONFIG).replace("<head>", f'<head><meta name="viewport">{card}'), "v-1")
    assert "og:" not in html and "twitter:" not in html
    assert '<meta name="viewport">' in html


def test_a_page_names_its_files_by_their_version_and_fetches_what_opens_it():
    html = lightened(page_of(CONFIG), "v-1")
    config = json.loads(html.split("window.gradio_config = ")[1].split(";</script>")[0])
    assert config["head"] == CONFIG["head"].replace("webui-assets/", "webui-assets/v-1/")
    imports = json.loads(html.split('<script type="importmap">')[1].split("</script>")[0])["imports"]
    assert imports == {"./webui-assets/": "./webui-assets/v-1/", "./webui-assets/v-1/": "./webui-assets/v-1/"}
    assert html.index("importmap") < html.index("modulepreload")
    asks = html.index('<script type="module" async src="webui-assets/v-1/js/opening.js"></script>')
    assert html.index("importmap") < asks < html.index("window.gradio_config")  # before Gradio's script has begun
    assert '<link rel="preload" as="style" href="webui-assets/v-1/css/page.css">' in html
    assert 'href="webui-assets/v-1/js/main.js"' in html


@pytest.mark.parametrize(("code", "named"), [("ru", "ru"), ("zh", "zh-CN"), ("en", "en"), ("", None)])
def test_gradio_is_told_the_language_of_the_page_before_it_begins(code: str, named: str | None):
    ours = f"<script>window.periplusConfig = {json.dumps({'language': {'code': code}})};</script>"
    html = lightened(page_of({**CONFIG, "head": ours}), "v-1")
    told = f'"language", {{value: "{named}"}}'
    assert (told in html) == ("navigator" in html) == (named is not None)
    assert named is None or html.index(told) < html.index("window.gradio_config")


def test_until_it_is_drawn_a_page_shows_its_name_and_tabs():
    frame = lightened(page_of(CONFIG), "v-1").split('<body style="a">')[1].split("<gradio-app>")[0]
    assert "<p>Periplus</p><span>txt&lt;2&gt;img</span>" in frame


def test_a_page_says_in_a_sentence_what_it_is():
    head = lightened(page_of(CONFIG), "v-1").split("</head>")[0]
    assert '<meta name="description" content="Periplus: ' in head


def test_a_page_says_what_it_is_in_its_own_language():
    ours = f"<script>window.periplusConfig = {json.dumps({'texts': {'page.description': 'Это <Periplus>'}})};</script>"
    head = lightened(page_of({**CONFIG, "head": ours}), "v-1").split("</head>")[0]
    assert head.count('name="description"') == 1
    assert '<meta name="description" content="Это &lt;Periplus&gt;">' in head


def test_what_is_no_page_leaves_as_it_is():
    assert lightened("<p>Sign in</p>", "v-1") == "<p>Sign in</p>"


def test_the_script_that_opens_a_page_is_found_by_its_imports():
    modules = opening_modules()
    assert {"main.js", "form.js", "fields.js", "inner-tabs.js"} <= set(modules)
    assert not {"plot.js", "canvas.js", "settings.js"} & set(modules)  # when their tab is opened
    assert all((asset_files.ASSETS / "js" / name).is_file() for name in modules)


@pytest.mark.parametrize("beginning", sorted({change.file for change in CHANGES}))
def test_gradios_script_is_the_one_that_our_changes_know(beginning: str):
    [file] = GRADIOS.glob(f"{beginning}*.js")
    text = file.read_text(encoding="utf-8")
    assert is_changed(file.name)
    changed = quickened(file.name, text)
    assert all(change.new in changed for change in CHANGES if change.file == beginning)


def test_a_script_of_another_gradio_is_left_as_it_is(caplog: pytest.LogCaptureFixture):
    assert quickened("core-abc.js", "another text") == "another text"
    assert "core-abc.js" in caplog.text


class Inner:
    """What draws the page, and counts how often it had to."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def page(self, request: Request) -> Response:
        self.asked.append(str(request.url))
        assert not {"accept-encoding", "origin", "x-gradio-server"} & {*request.headers.keys()}
        return HTMLResponse(page_of(CONFIG))

    def file(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        name = request.path_params["name"]
        return Response(status_code=404) if name == "none.js" else PlainTextResponse("a" * 999, media_type="text/javascript")


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def client(inner: Inner) -> Iterator[TestClient]:
    assets = Mount("/webui-assets", Assets(directory=asset_files.ASSETS))
    app = Starlette(routes=[Route("/", inner.page), Route("/assets/{name}", inner.file), assets])
    app.add_middleware(DeliveryMiddleware, language_of=lambda headers: headers.get("accept-language", ""))
    with TestClient(app) as client:
        yield client


def test_a_page_is_drawn_once_for_each_language_and_address(client: TestClient, inner: Inner):
    first = client.get("/", headers={"Origin": "http://evil", "X-Gradio-Server": "http://evil"})  # which all others would get
    again = client.get("/")
    assert first.text == again.text
    assert (len(inner.asked), first.headers["content-encoding"]) == (1, "gzip")
    client.get("/", headers={"Accept-Language": "ru"})
    client.get("/", headers={"Host": "other:7860"})
    assert len(inner.asked) == 3
    client.get("/?view=1")
    client.get("/?view=1")
    assert len(inner.asked) == 5  # a question of its own is answered anew


def test_a_page_that_the_browser_has_is_not_sent_again(client: TestClient):
    tag = client.get("/").headers["etag"]
    answer = client.get("/", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_who_takes_nothing_compressed_gets_it_plain(client: TestClient):
    answer = client.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_gradios_files_are_kept_for_ever_but_for_those_that_are_changed(client: TestClient, inner: Inner):
    assert client.get("/assets/Index-1.js").headers["Cache-Control"] == asset_files.FOR_EVER
    assert client.get("/assets/Index-1.js").text == "a" * 999
    assert len(inner.asked) == 1
    assert client.get("/assets/core-1.js").headers["Cache-Control"] == "no-cache"


def test_what_is_not_there_is_looked_for_each_time(client: TestClient, inner: Inner):
    assert [client.get("/assets/none.js").status_code for _ in range(2)] == [404, 404]
    assert len(inner.asked) == 2


def test_only_files_of_the_present_version_are_kept_for_ever(client: TestClient):
    assert client.get(f"/webui-assets/{version()}/js/main.js").headers["Cache-Control"] == asset_files.FOR_EVER
    old = client.get("/webui-assets/v-0123456789abcdef/js/main.js")
    assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-cache")
    assert client.get(f"/webui-assets/{version()}/../../script.py").status_code == 404


def test_the_version_changes_with_a_file(tmp_path: Path):
    (tmp_path / "a.js").write_text("1")
    before = asset_files._version(tmp_path, 1)
    (tmp_path / "a.js").write_text("12")
    assert before != asset_files._version(tmp_path, 2)


def test_every_file_that_the_real_page_asks_for_is_there_and_the_page_is_light(services: Services):
    with TestClient(create_app(services), base_url="http://127.0.0.1:7860") as client:
        html = client.get("/").text
        addresses = set(re.findall(r'href=\\?"(webui-assets/v-[^"\\]+)', html))
        assert len(addresses) > 50
        assert {client.get(f"/{address}").status_code for address in addresses} == {200}
        assert len(html) < 800_000
        assert len(client.get("/", headers={"Accept-Encoding": "gzip"}).text) == len(html)
