"""The languages that come along are complete and fresh, and each visitor has the page in the one that is theirs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tools import languages as tool
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.ui import localisation
from webui.ui.language import COOKIE, LanguageMiddleware, translated
from webui.ui.texts import own_tables, t, table

CODES = ("ru", "zh")


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_missing_or_stale(code: str):
    """`python -m tools.languages CODE` says what to translate, and takes it in."""
    assert tool.missing(code) == {"sentences": {}, "words": []}


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_left_over(code: str):
    content = tool.read(code)
    assert set(content["sentences"]) <= set(table())
    assert set(content["words"]) <= set(tool.page_words())


@pytest.mark.parametrize("code", CODES)
def test_translations_have_the_placeholders_and_marks_of_the_english(code: str):
    content = tool.read(code)
    pairs = [*content["sentences"].values(), *content["words"].items()]
    marks = re.compile(r"\{\w+\}|</?\w+[^>]*>")
    assert [english for english, said in pairs if sorted(marks.findall(english)) != sorted(marks.findall(said))] == []
    assert [english for english, said in pairs if not said.strip()] == []


def test_what_changed_since_it_was_translated_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "locales").mkdir()
    content = {"name": "Deutsch", "sentences": {"on": ["on", "an"], "off": ["away", "weg"]}, "words": {"Width": "Breite"}}
    (tmp_path / "locales" / "de.json").write_text(json.dumps(content))
    monkeypatch.setattr("webui.ui.texts.ASSETS", tmp_path)
    table()  # of the real folder, and kept
    assert own_tables.__wrapped__() == {"Deutsch": {"on": "an", "Width": "Breite"}}


GERMAN = {"on": "an", "generate": "Erzeugen", "settings.page": "Diese Seite", "Width": "Breite"}


def cookie(language: str) -> str:
    """As the footer sets it."""
    return f"{COOKIE}={quote(language)}"


@pytest.fixture
def client() -> TestClient:
    page: dict = {"components": [{"type": "button", "props": {"value": "Generate"}}]}
    script = {"texts": {"on": "on", "off": "off"}, "fields": {"width": {"label": "Width", "default": 512}}}
    script["fields"]["fill"] = {"label": "Fill", "choices": {"Width": "Width", "Generate": "Generate"}}
    page["head"] = f"<script>window.periplusConfig = {json.dumps(script)};</script>"
    html = f"<script>window.gradio_config = {json.dumps(page)};</script>".replace('</script>"', '\\u003c/script>"')
    routes = [
        Route("/", lambda _: HTMLResponse(html)),
        Route("/config", lambda _: JSONResponse(page)),
        Route("/told", lambda _: PlainTextResponse(t("on"))),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(LanguageMiddleware, languages={"Deutsch": GERMAN, "Русский": {"on": "вкл."}})
    return TestClient(app)


def script_of(html: str) -> dict:
    page = json.loads(html.removeprefix("<script>window.gradio_config = ").removesuffix(";</script>"))
    return json.loads(page["head"].removeprefix("<script>window.periplusConfig = ").removesuffix(";</script>"))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "on"),
        ({"Cookie": cookie("Deutsch")}, "an"),
        ({"Cookie": "a=b; " + cookie("Deutsch"), "Accept-Language": "ru"}, "an"),
        ({"Cookie": cookie("Klingon")}, "on"),
        ({"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}, "вкл."),
        ({"Accept-Language": "fr, en;q=0.8, ru;q=0.5"}, "on"),
        ({"Accept-Language": "zh-CN"}, "on"),  # not among those that are there
        ({"Cookie": cookie("English"), "Accept-Language": "ru"}, "on"),
    ],
)
def test_a_handler_answers_in_the_language_of_who_asks(client: TestClient, headers: dict[str, str], said: str):
    assert client.get("/told", headers=headers).text == said


def test_the_page_and_its_script_are_translated_on_their_way(client: TestClient):
    answer = client.get("/", headers={"Cookie": cookie("Deutsch"), "Accept-Encoding": "gzip"})
    assert '"value": "Erzeugen"' in answer.text
    told = script_of(answer.text)
    assert told["texts"] == {"on": "an", "off": "off"}
    assert told["fields"]["width"] == {"label": "Breite", "default": 512}
    assert told["fields"]["fill"]["choices"] == {"Width": "Breite", "Generate": "Generate"}  # a word, not the button's sentence
    assert told["language"]["name"] == "Deutsch"
    assert told["language"]["known"] == ["English", "Deutsch", "Русский"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert client.get("/config", headers={"Cookie": cookie("Deutsch")}).json()["components"][0]["props"]["value"] == "Erzeugen"


def test_an_english_page_is_told_which_languages_there_are(client: TestClient):
    answer = client.get("/")
    assert '"value": "Generate"' in answer.text
    assert script_of(answer.text)["language"] == {
        "name": "English",
        "known": ["English", "Deutsch", "Русский"],
        "cookie": "periplus-language",
        "code": "en",
        "direction": "ltr",
    }


def test_what_a_person_typed_is_not_translated_and_values_of_choices_stay():
    config = {
        "components": [
            {"type": "textbox", "props": {"label": "Width", "value": "Generate", "placeholder": "Generate"}},
            {"type": "dropdown", "props": {"choices": [["Width", "Width"], ["x", 3], ["Generate", "g"]]}},
            {"type": "markdown", "props": {"value": "### This page"}},
            {"type": "html", "props": {"value": "<h4>Width</h4>"}},
        ]
    }
    said = {"Width": "Breite", "Generate": "Erzeugen", "This page": "Diese Seite"}
    words = {"Width": "Breite", "generate": "Erzeugen"}  # the sentence “Generate” is no word of a choice
    box, choices, heading, html = (each["props"] for each in translated(config, said, words)["components"])
    assert box == {"label": "Breite", "value": "Generate", "placeholder": "Erzeugen"}
    assert choices["choices"] == [["Breite", "Width"], ["x", 3], ["Generate", "g"]]
    assert heading["value"] == "### Diese Seite"
    assert html["value"] == "<h4>Breite</h4>"


def test_a1111s_localisation_files_are_languages_too(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = tmp_path / "localizations"
    folder.mkdir()
    (folder / "de_DE.json").write_text('{"Generate": "Erzeugen", "Width": "Breite", "odd": 3, "empty": ""}', encoding="utf-8-sig")
    (folder / "ar_AR.json").write_text('{"rtl": true, "Generate": "Make it", "Width": "\\ud83d"}')
    (folder / "English.json").write_text('{"Generate": "Make"}')
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    found = localisation.languages(PluginManager.of(Settings(data_dir=tmp_path)), folder)
    assert found["de_DE"] == {"Generate": "Erzeugen", "Width": "Breite"}
    assert found["ar_AR"] == {"Generate": "Make it", "page.direction": "rtl"}
    assert "broken.json" in caplog.text
    assert "list.json" in caplog.text
    assert not {"broken", "list", "English"} & set(found)
