"""Patterns such as "[date]/[model_name]" or "[seed]-[prompt_spaces]", as A1111 has them, and what they come to."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from webui.core.params import suggest
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.errors import InvalidRequest
from webui.storage.file_names import safe_value

PATTERN_MOST = 1_000  # characters

_TOKEN = re.compile(r"\[([^\[\]<>]+)((?:<[^<>\[\]]*>)*)\]")
_ARGUMENT = re.compile(r"<([^<>]*)>")
_NO_LETTERS = re.compile(rf"[\s{re.escape(string.punctuation)}]+")


@dataclass(frozen=True)
class NameFacts:
    """What a picture's name may tell.

    Args:
        request: the picture's own (`GenerationRequest.single`); a seed of −1 is none.
        seeds: of the batch that the picture is part of, or of all pictures of an archive.
        position: in its batch, from 1; 0 where there is no batch.
        number: among the pictures of its job, from 1; 0 where it is the only one.
        started: when its job began.
        image_hash: gives the SHA-256 of its pixels; asked only where a pattern wants it.
        words: how many of the prompt [prompt_words] takes.
    """

    request: GenerationRequest
    seeds: Sequence[int] = ()
    batch_size: int = 1
    position: int = 0
    number: int = 0
    model_hash: str = ""
    styles: Sequence[str] = ()
    prompt_without_styles: str = ""
    user: str = ""
    base: str = "img"
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())
    started: datetime = field(default_factory=lambda: datetime.now().astimezone())
    image_hash: Callable[[], str] = lambda: ""
    words: int = 8


#: What a pattern comes to; None: nothing, which takes the text before it along.
_Fill = Callable[[NameFacts, list[str]], "str | None"]


def expand(pattern: str, facts: NameFacts) -> str:
    """The pattern filled in. What is no pattern stays as it is, brackets included; "/" stands only where the pattern has it."""
    text, end = "", 0
    for match in _TOKEN.finditer(pattern):
        before, end = pattern[end : match.start()], match.end()
        fill = FILLS.get(match[1].lower())
        if fill is None:
            text += before + match[0]
        elif (value := fill(facts, _ARGUMENT.findall(match[2]))) is not None:
            text += before + value
    return text + pattern[end:]


def check_pattern(name: str, pattern: str, *, folders: bool = False) -> None:
    """Raise InvalidRequest, naming the setting, for a pattern that cannot be meant.

    Args:
        folders: whether it names folders, with "/" between them.
    """
    bare = _TOKEN.sub("x", pattern)
    if pattern.count("[") != pattern.count("]"):
        raise InvalidRequest(name, f"“{pattern:.80}” has a bracket that is not closed, or not opened.")
    if not folders and re.search(r"[/\\]", bare):
        raise InvalidRequest(name, "A file's name holds no “/”; folders are named in the Directory name pattern.")
    if folders and (bare.startswith(("/", "\\", "~")) or ":" in bare or ".." in re.split(r"[/\\]", bare)):
        raise InvalidRequest(name, "The folders lie in the pictures' folder: no “..”, and no “/” or drive at the beginning.")
    for match in _TOKEN.finditer(pattern):
        _check_arguments(name, match[0], match[1].lower(), _ARGUMENT.findall(match[2]))


def _check_arguments(name: str, shown: str, token: str, arguments: list[str]) -> None:
    if token.endswith("_hash") and arguments and not (arguments[0].isdecimal() and 1 <= int(arguments[0][:4]) <= 64):
        raise InvalidRequest(name, f"{shown:.80}: a number of digits from 1 to 64 was expected, as in [prompt_hash<12>].")
    if token == "datetime":
        try:
            _moment(datetime.now().astimezone(), arguments)
        except (ValueError, OSError, UnicodeError) as error:  # the last two by strftime of some systems
            raise InvalidRequest(name, f"{shown:.80}: this is no form of a date: {error}.") from error
        except KeyError as error:  # ZoneInfoNotFoundError is one
            raise InvalidRequest(name, f"{shown:.80}: {arguments[1]:.40} is no time zone like Europe/Berlin or UTC.") from error


def unknown_patterns(pattern: str) -> list[str]:
    """A sentence for each bracket that will stay as it is."""
    names = [match[1] for match in _TOKEN.finditer(pattern) if match[1].lower() not in FILLS]
    return [f"[{name}] is no pattern and stays as it is. {suggest(name, tuple(FILLS))}" for name in names]


# ---- what the patterns come to


def _text(give: Callable[[NameFacts], object]) -> _Fill:
    """Of a value that is there or not."""

    def fill(facts: NameFacts, arguments: list[str]) -> str | None:
        value = give(facts)
        return None if value is None or value == "" else safe_value(str(value))

    return fill


def _digest(give: Callable[[NameFacts], str]) -> _Fill:
    def fill(facts: NameFacts, arguments: list[str]) -> str:
        return hashlib.sha256(give(facts).encode("utf-8", "replace")).hexdigest()[: _digits(arguments, 8)]

    return fill


def _digits(arguments: list[str], usual: int) -> int:
    return min(int(arguments[0]), 64) if arguments and arguments[0].isdecimal() else usual


def _fill_image_hash(facts: NameFacts, arguments: list[str]) -> str | None:
    return facts.image_hash()[: _digits(arguments, 64)] or None


def _fill_datetime(facts: NameFacts, arguments: list[str]) -> str:
    try:
        return safe_value(_moment(facts.now, arguments))
    except (ValueError, OSError, KeyError, UnicodeError):
        return safe_value(_moment(facts.now, []))


def _moment(now: datetime, arguments: list[str]) -> str:
    form = arguments[0] if arguments and arguments[0] else "%Y%m%d%H%M%S"
    zone = _zone(arguments[1]) if len(arguments) > 1 and arguments[1] else None
    return (now.astimezone(zone) if zone else now).strftime(form)


def _zone(name: str) -> ZoneInfo:
    """Raise KeyError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError) as error:  # a path, or a folder of zones
        raise KeyError(name) from error


def _fill_hasprompt(facts: NameFacts, arguments: list[str]) -> str:
    """Of each argument the word, where the prompt has it, else what stands behind "|"."""
    prompt = facts.request.prompt.lower()
    found = [argument.partition("|") for argument in arguments]
    return safe_value("".join(word if word.lower() in prompt else default for word, _, default in found))


def _fill_words(facts: NameFacts, arguments: list[str]) -> str:
    words = [word for word in _NO_LETTERS.split(facts.request.prompt) if word][: facts.words]
    return safe_value(" ".join(words or ["empty"]))


def _seed(seed: int) -> int | None:
    return None if seed < 0 else seed


def _model_name(facts: NameFacts) -> str:
    return PurePosixPath(facts.request.checkpoint or "").name


def _vae_name(facts: NameFacts) -> str:
    return "NoneType" if facts.request.vae == VAE_BUILT_IN else PurePosixPath(facts.request.vae).name


def _sampler_and_scheduler(facts: NameFacts) -> str:
    request = facts.request
    return request.sampler if request.scheduler == "Automatic" else f"{request.sampler} {request.scheduler}"


def _denoising(facts: NameFacts) -> float | None:
    request = facts.request
    return request.denoising_strength if request.source is not None or request.hires else None


def _spaced(give: Callable[[NameFacts], str], spaces: str = " ") -> _Fill:
    return lambda facts, arguments: safe_value(give(facts), spaces=spaces) or None


#: Every pattern by its name.
FILLS: Mapping[str, _Fill] = {
    "basename": _text(lambda facts: facts.base),
    "seed": _text(lambda facts: _seed(facts.request.seed)),
    "seed_first": _text(lambda facts: _seed(facts.seeds[0] if facts.seeds else facts.request.seed)),
    "seed_last": _text(lambda facts: facts.seeds[-1] if len(facts.seeds) > 1 else None),
    "steps": _text(lambda facts: facts.request.steps),
    "cfg": _text(lambda facts: facts.request.guidance_scale),
    "width": _text(lambda facts: facts.request.width),
    "height": _text(lambda facts: facts.request.height),
    "styles": _text(lambda facts: ", ".join(facts.styles) or "None"),
    "sampler": _text(lambda facts: facts.request.sampler),
    "scheduler": _text(lambda facts: facts.request.scheduler),
    "sampler_scheduler": _text(_sampler_and_scheduler),
    "model_hash": _text(lambda facts: facts.model_hash),
    "model_name": _text(_model_name),
    "vae_filename": _text(_vae_name),
    "date": _text(lambda facts: facts.now.strftime("%Y-%m-%d")),
    "datetime": _fill_datetime,
    "job_timestamp": _text(lambda facts: facts.started.strftime("%Y%m%d%H%M%S")),
    "prompt": _spaced(lambda facts: facts.request.prompt, "_"),
    "prompt_spaces": _spaced(lambda facts: facts.request.prompt),
    "prompt_no_styles": _spaced(lambda facts: facts.prompt_without_styles or facts.request.prompt),
    "prompt_words": _fill_words,
    "prompt_hash": _digest(lambda facts: facts.request.prompt),
    "negative_prompt_hash": _digest(lambda facts: facts.request.negative_prompt),
    "full_prompt_hash": _digest(lambda facts: f"{facts.request.prompt} {facts.request.negative_prompt}"),
    "hasprompt": _fill_hasprompt,
    "batch_number": _text(lambda facts: facts.position or None),
    "batch_size": _text(lambda facts: facts.batch_size),
    "generation_number": _text(lambda facts: facts.number or None),
    "clip_skip": _text(lambda facts: facts.request.clip_skip),
    "denoising": _text(_denoising),
    "user": _text(lambda facts: facts.user),
    "image_hash": _fill_image_hash,
    "none": lambda facts, arguments: None,
}
