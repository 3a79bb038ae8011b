"""Where a download comes from: what people paste → an address, and what its answer says of the file. Standard library only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import quote, unquote, urlsplit

from webui.errors import InvalidRequest
from webui.library.names import safe_name

HUB = "https://huggingface.co"

_REPOSITORY = r"[\w.-]+/[\w.-]+"
_HUB_PAGE = re.compile(rf"/(?P<repo>{_REPOSITORY})/(?:blob|resolve|raw)/(?P<rest>[^?]+)")
_SHORT = re.compile(rf"(?P<repo>{_REPOSITORY})/(?P<file>[^\s?#]+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Address:
    """`shown` is for people and holds no secrets; `name` is the file's as far as the address tells, else ""."""

    url: str
    shown: str
    name: str


def hub() -> str:
    """The hub, or the mirror of it that HF_ENDPOINT names."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def parse_source(text: str) -> Address:
    """The address that is meant by "org/repo/file", a link to a file of the hub, or any other http(s) link.

    Raises:
        InvalidRequest: it is none of these.
    """
    text = text.strip()
    if "://" not in text:
        found = _SHORT.fullmatch(text)
        if not found or ".." in text.split("/"):
            expected = "an http(s) link, or org/repo/file for a file of the Hugging Face hub, is expected"
            raise InvalidRequest("source", f"“{text:.100}” is no address: {expected}.")
        return _address(f"{hub()}/{found['repo']}/resolve/main/{quote(unquote(found['file']))}")
    if not _is_web_address(text):
        raise InvalidRequest("source", f"“{text:.100}” is no http(s) address.")
    return _address(text)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _address(url: str) -> Address:
    parts = urlsplit(url)
    of_hub = _HUB_PAGE.fullmatch(parts.path) if _is_hub(parts.hostname or "") else None
    if of_hub:  # a page about a file → the file
        url = f"{parts.scheme}://{parts.netloc}/{of_hub['repo']}/resolve/{of_hub['rest']}"
    shown = f"{parts.hostname}{unquote(parts.path)}"
    return Address(url, shown, safe_name(unquote(parts.path)))


def _is_hub(host: str) -> bool:
    return host in ("huggingface.co", "www.huggingface.co", "hf.co", urlsplit(hub()).hostname)


def name_told(headers: Mapping[str, str]) -> str:
    """The file's name in Content-Disposition, made safe; "" where there is none."""
    message = Message()
    message["Content-Disposition"] = re.sub(r"[\r\n]", " ", headers.get("content-disposition", ""))
    try:
        name = message.get_filename("")
    except (LookupError, ValueError, TypeError):  # an encoding that does not exist
        return ""
    return safe_name(name)


def hash_told(answers: list[Mapping[str, str]]) -> str | None:
    """The SHA-256 that the hub tells of a file, in any of the answers that led to it."""
    for headers in answers:
        told = headers.get("x-linked-etag", "").removeprefix("W/").strip('"').lower()
        if _SHA256.fullmatch(told):
            return told
    return None


def check_sha256(text: str | None) -> str | None:
    """Raise InvalidRequest for what is no SHA-256."""
    if not text or not text.strip():
        return None
    digest = text.strip().lower().removeprefix("sha256:")
    if not _SHA256.fullmatch(digest):
        raise InvalidRequest("sha256", f"“{text:.80}” is no SHA-256: 64 digits of 0–9 and a–f are expected.")
    return digest
