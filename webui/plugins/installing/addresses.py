"""Where an extension comes from: a git address with a branch, or a folder or zip file of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from webui.errors import InvalidRequest

Kind = Literal["git", "folder", "zip"]

SCHEMES = ("https", "http", "ssh", "git", "file")
_SCP = re.compile(r"[\w.-]+@[\w.-]+:[^:\s][^\s]*")  # git@host:path
_BRANCH = re.compile(r"[A-Za-z0-9_][\w./+@-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True)
class Source:
    """`branch`: of a git address; "": its usual one."""

    kind: Kind
    address: str
    branch: str = ""


def read_source(text: str, branch: str = "") -> Source:
    """What a person typed.

    Raises:
        InvalidRequest: for "source" or "branch": it is nothing that can be fetched, or not here.
    """
    text, branch = text.strip().strip('"'), branch.strip()
    if not text:
        raise InvalidRequest("source", "Give a git address, or a folder or zip file of the machine on which the program runs.")
    if len(text) > 2_000 or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise InvalidRequest("source", "This is no address: it is too long, or holds control characters.")
    if branch and (not _BRANCH.fullmatch(branch) or ".." in branch):
        raise InvalidRequest("branch", f"“{branch:.80}” is no name of a branch or tag.")
    try:
        if "://" in text:
            return _at_address(text, branch)
        if _SCP.fullmatch(text) and not Path(text).exists():
            return Source("git", text, branch)
        return _here(Path(text).expanduser(), branch)
    except (OSError, RuntimeError) as error:
        raise InvalidRequest("source", f"“{text:.120}” cannot be read: {error}.") from error


def _at_address(text: str, branch: str) -> Source:
    try:
        parts = urlsplit(text)
        host, password = parts.hostname or "", parts.password
    except ValueError:
        raise InvalidRequest("source", f"“{text:.120}” is no address.") from None
    if parts.scheme.lower() not in SCHEMES or "::" in text.partition("://")[0]:
        told = f"“{parts.scheme:.20}” cannot be fetched from; {', '.join(SCHEMES)} can."
        raise InvalidRequest("source", told)
    if parts.scheme.lower() == "file":
        return _here(Path(unquote(parts.path)), branch)
    if not host or host.startswith("-"):
        raise InvalidRequest("source", f"“{text:.120}” names no host.")
    if password is not None or (parts.scheme.lower() in ("http", "https") and parts.username):
        told = (
            "The address holds a password or token before the @, which would be kept in plain text. "
            "Let git's credential helper know it instead."
        )
        raise InvalidRequest("source", told)
    return Source("git", text, branch)


def _here(path: Path, branch: str) -> Source:
    if not path.is_absolute():
        raise InvalidRequest("source", f"“{path}” is neither an address (https://…) nor a whole path of this machine.")
    if path.is_dir():
        is_git = (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())
        return Source("git" if is_git else "folder", str(path), branch if is_git else "")
    if not path.is_file():
        raise InvalidRequest("source", f"There is no folder or file {path}.")
    if path.suffix.lower() != ".zip":
        raise InvalidRequest("source", f"{path.name} is neither a folder nor a .zip file.")
    return Source("zip", str(path))


def is_commit(text: str) -> bool:
    return _COMMIT.fullmatch(text) is not None


def same_place(first: str, second: str) -> bool:
    """Whether two addresses name the same repository; ".git" and a last slash do not count."""
    one, other = (text.strip().lower().rstrip("/").removesuffix(".git") for text in (first, second))
    return one == other
