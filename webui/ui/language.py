"""Each visitor has the page in a language of their own: the one chosen in the footer, else what the browser prefers.

Gradio draws one page for all, in English. Where another language is spoken its description is translated on the way out, and
handlers answer in that language because they run within the request (docs/decisions/0028).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.ui.localisation import DIRECTION, ENGLISH
from webui.ui.texts import Sentences, speaking, table

COOKIE = "periplus-language"

#: What a browser calls the languages that come along.
CODES = {"en": ENGLISH, "ru": "Русский", "zh": "中文"}

#: What a person reads of a component; everything else in its description is left alone.
_READ = ("label", "info", "placeholder", "value", "title")

#: Of these the value is the page's own words; of all others it is what a person put in.
_SPEAKING = ("button", "html", "markdown")

#: Gradio's description of the page, within it; and ours, within what that says of the page's head.
PAGE = re.compile(r"(?<=window\.gradio_config = )\{.*?\}(?=;</script>)", re.DOTALL)
SCRIPT = re.compile(r"(?<=window\.periplusConfig = )\{.*?\}(?=;</script>)", re.DOTALL)


def wanted(headers: Headers, known: Mapping[str, Sentences]) -> str:
    """The language of a request: the cookie's, else the first that the browser names and that is there, else English."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and (chosen := unquote(value)) in (ENGLISH, *known):
            return chosen
    for part in headers.get("accept-language", "").split(","):
        language = CODES.get(part.split(";")[0].strip().split("-")[0].lower(), "")
        if language == ENGLISH or language in known:
            return language
    return ENGLISH


class LanguageMiddleware:
    """Pure ASGI, around the page and its handlers."""

    def __init__(self, app: ASGIApp, languages: Mapping[str, Sentences]) -> None:
        self._app = app
        self._languages = languages
        self._translated = lru_cache(maxsize=2 * len(languages) + 2)(self._translate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        language = wanted(Headers(scope=scope), self._languages)
        sentences = self._languages.get(language, {})
        with speaking(sentences):
            if scope["path"] not in ("/", "/config"):
                await self._app(scope, receive, send)
            else:
                await self._app(_uncompressed(scope), receive, _Whole(send, lambda body: self._translated(language, body)).send)

    def _translate(self, language: str, body: bytes) -> bytes:
        sentences = self._languages.get(language, {})
        said = {table().get(key, key): text for key, text in sentences.items()}
        direction = "rtl" if sentences.get(DIRECTION) == "rtl" else "ltr"
        known = [ENGLISH, *self._languages]
        told = {"name": language, "known": known, "cookie": COOKIE, "code": _code(language), "direction": direction}

        def change(config: dict[str, Any]) -> str:
            """Gradio's description, which has ours within what the page's head loads."""
            head = SCRIPT.sub(lambda found: ours(json.loads(found[0])), config.get("head") or "")
            return as_data({**translated(config, said, sentences), "head": head})

        def ours(config: dict[str, Any]) -> str:
            return as_data(_of_script(config, sentences, said, told))

        text = body.decode("utf-8")
        if text.startswith("{"):
            return change(json.loads(text)).encode("utf-8", "replace")
        return PAGE.sub(lambda found: change(json.loads(found[0])), text, count=1).encode("utf-8", "replace")


def _code(language: str) -> str:
    return next((code for code, name in CODES.items() if name == language), "")


def as_data(value: Any) -> str:
    """JSON within a script element, which no text can end."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def translated(config: dict[str, Any], said: Mapping[str, str], sentences: Sentences) -> dict[str, Any]:
    """A page's description with what people read of it in another language. `said` is by the English words.

    Choices are words, never sentences that happen to be the same: “On” of a switch is not that of “On, one step”.
    """
    for component in config.get("components", []):
        props = component.get("props", {})
        speaks = component.get("type") in _SPEAKING
        for name in _READ:
            if isinstance(props.get(name), str) and (name != "value" or speaks):
                props[name] = _words(props[name], said)
        if isinstance(props.get("choices"), list):
            props["choices"] = [_choice(choice, sentences) for choice in props["choices"]]
    return config


def _choice(choice: Any, said: Mapping[str, str]) -> Any:
    """Its label only: the value is what a request holds."""
    pair = isinstance(choice, list) and len(choice) == 2 and isinstance(choice[0], str)
    return [said.get(choice[0], choice[0]), choice[1]] if pair else choice


_HEADING = re.compile(r"(#+ )(.*)|(<h\d>)(.*)(</h\d>)")


def _words(text: str, said: Mapping[str, str]) -> str:
    """A sentence, or a heading of one."""
    if text in said:
        return said[text]
    if found := _HEADING.fullmatch(text):
        before, inner, after = found[1] or found[3], found[2] or found[4] or "", found[5] or ""
        return before + said.get(inner, inner) + after
    return text


def _of_script(
    config: dict[str, Any], sentences: Sentences, said: Mapping[str, str], language: Mapping[str, Any]
) -> dict[str, Any]:
    """What the page's script knows: its sentences by key, the words of fields wherever they stand, their choices in the words of
    the form's lists, and the language itself."""
    texts = {key: sentences.get(key) or said.get(english, english) for key, english in config.get("texts", {}).items()}
    others = {name: _everywhere(value, said) for name, value in config.items() if name != "texts"}
    for field in others.get("fields", {}).values():
        if "choices" in field:
            field["choices"] = {value: sentences.get(value, value) for value in field["choices"]}
    return {**others, "texts": texts, "language": language}


def _everywhere(value: Any, said: Mapping[str, str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _everywhere(each, said, key) for key, each in value.items()}
    if isinstance(value, list) and name == "choices":
        return [_of_script_choice(each, said) for each in value]
    if isinstance(value, list):
        return [_everywhere(each, said, name) for each in value]
    return said.get(value, value) if isinstance(value, str) and name in ("label", "short", "help", "title", "info") else value


def _of_script_choice(choice: Any, said: Mapping[str, str]) -> Any:
    """[value, words, …] as the script's own controls have it."""
    words = isinstance(choice, list) and len(choice) > 1 and isinstance(choice[1], str)
    return [choice[0], said.get(choice[1], choice[1]), *choice[2:]] if words else choice


def _uncompressed(scope: Scope) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": headers}


class _Whole:
    """Holds an answer back until it is whole, changes it if it is a page, and sends it on."""

    def __init__(self, send: Send, change: Any) -> None:
        self._send, self._change = send, change
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body") or self._start is None:
            return
        headers = MutableHeaders(raw=self._start["headers"])
        if self._start["status"] == 200 and self._body:
            self._body = self._change(self._body)
            headers["content-length"] = str(len(self._body))
            headers.append("vary", "Cookie, Accept-Language")
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})
