"""From prompts to what the UNet is conditioned on: schedules, parts, chunks, text encoder, emphasis."""

from __future__ import annotations

import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from webui.core.chunks import CHUNK, Chunk, split_chunks
from webui.core.prompt_parts import parse_composable, parse_networks, strip_comments
from webui.core.prompt_schedule import prompt_schedule
from webui.errors import InvalidRequest


@dataclass(frozen=True)
class Schedule:
    """A text as vectors that may change while sampling.

    Args:
        entries: (last model call, vectors (tokens, width)) pairs, rising and all of one length.
        weight: of this part where several are joined by AND.
    """

    entries: tuple[tuple[int, Tensor], ...]
    weight: float = 1.0

    def at(self, call: int) -> Tensor:
        """The vectors of a model call, counted from 0.

        A change "after step n" is seen by call n + 1, which is the call after next when calls count from 0. So it is in A1111,
        and pictures in circulation were made with it.
        """
        return next((vectors for end, vectors in self.entries if call <= end), self.entries[-1][1])


@dataclass(frozen=True)
class Conditioning:
    """Encoded prompt, in the parts that AND joins, and encoded negative prompt; None where nothing asks for it."""

    conditionals: tuple[Schedule, ...]
    unconditional: Schedule | None = None

    @property
    def weight(self) -> float:
        """The sum of the parts' weights."""
        return sum(part.weight for part in self.conditionals)


# ---- emphasis


def _restoring_mean(hidden: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """Multiply, then scale all so that the mean is as before, which keeps one strong word from brightening everything.

    The mean is that of all texts of a schedule together, as in A1111.
    """
    weighted = hidden * weights
    ratio = (hidden * shares).mean() / (weighted * shares).mean()
    return weighted * ratio.nan_to_num(1.0, 1.0, 1.0)  # a mean of 0 cannot be restored


def _multiplied(hidden: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    return hidden * weights


def _unchanged(hidden: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    return hidden


#: What weights do, by the names of `GenerationRequest.emphasis`. Arguments: (texts, 77, width), the weights (texts, 77, 1), and
#: how often each text comes in its schedule (texts, 1, 1).
EMPHASIS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "Original": _restoring_mean,
    "No norm": _multiplied,
    "Ignore": _unchanged,
    "None": _unchanged,
}


# ---- encoding


class HiddenStates:
    """What the text encoder gave for the latest chunks, for as long as the same one is in memory: none is encoded twice."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._encoder: weakref.ref[CLIPTextModel] | None = None
        self._states: OrderedDict[tuple[int, tuple[int, ...]], Tensor] = OrderedDict()

    def of(self, text_encoder: CLIPTextModel, ids: tuple[int, ...], clip_skip: int) -> Tensor:
        """(77, width) for 77 token ids."""
        if self._encoder is None or self._encoder() is not text_encoder:
            self._states.clear()
            self._encoder = weakref.ref(text_encoder)
        key = clip_skip, ids
        if key not in self._states:
            self._states[key] = _run(text_encoder, ids, clip_skip)
        self._states.move_to_end(key)
        if len(self._states) > self._limit:
            self._states.popitem(last=False)
        return self._states[key]


def _run(text_encoder: CLIPTextModel, ids: tuple[int, ...], clip_skip: int) -> Tensor:
    """What `clip_skip` − 1 layers before the end give, after the norm that follows the last."""
    tensor = torch.tensor([ids], device=text_encoder.device)
    if clip_skip == 1:
        return text_encoder(input_ids=tensor).last_hidden_state[0]
    layers = text_encoder.config.num_hidden_layers
    if clip_skip > layers:
        message = f"The text encoder of this checkpoint has {layers} layers: clip skip can be 1 to {layers}, not {clip_skip}."
        raise InvalidRequest("clip_skip", message)
    states = text_encoder(input_ids=tensor, output_hidden_states=True).hidden_states
    return text_encoder.final_layer_norm(states[-clip_skip])[0]


@dataclass(frozen=True)
class PromptEncoder:
    """A text encoder and how it is to read.

    Args:
        states: remembers chunks; shared by jobs.
        clip_skip: 1 is the last layer.
        emphasis: a key of `EMPHASIS`.
        old_schedules: `[a:b:n]` by the rules of before A1111 1.6.
    """

    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    states: HiddenStates
    clip_skip: int = 1
    emphasis: str = "Original"
    old_schedules: bool = False

    def conditionals(self, prompt: str, calls: int) -> tuple[Schedule, ...]:
        """The parts of a prompt, without comments and network tags.

        Args:
            calls: how often the model will be asked; schedules count these.
        """
        text, _ = parse_networks(strip_comments(prompt))
        return tuple(self._scheduled(part, calls, weight) for part, weight in parse_composable(text))

    def unconditional(self, negative_prompt: str, calls: int) -> Schedule:
        """Here AND and network tags are text."""
        return self._scheduled(strip_comments(negative_prompt), calls)

    def encode(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """(77 · chunks, width) for each text of a schedule, in float32. Shorter ones are filled up with empty chunks."""
        counts = Counter(texts)
        chunked = [split_chunks(text, self._tokenize, self.emphasis) for text in counts]
        longest = max(len(chunks) for chunks in chunked)
        rows = [[chunks[place] if place < len(chunks) else Chunk() for chunks in chunked] for place in range(longest)]
        encoded = torch.cat([self._encode_row(row, list(counts.values())) for row in rows], dim=1)
        return dict(zip(counts, encoded, strict=True))

    def _scheduled(self, text: str, calls: int, weight: float = 1.0) -> Schedule:
        schedule = prompt_schedule(text, calls, old=self.old_schedules)
        vectors = self.encode([said for _, said in schedule])
        return Schedule(tuple((end, vectors[said]) for end, said in schedule), weight)

    def _encode_row(self, chunks: list[Chunk], counts: list[int]) -> Tensor:
        """(texts, 77, width): the chunks of one place in all texts, weighted."""
        hidden = torch.stack([self.states.of(self.text_encoder, self._ids(chunk), self.clip_skip) for chunk in chunks]).float()
        if all(weight == 1.0 for chunk in chunks for weight in chunk.weights):
            return hidden
        rows = [[1.0, *chunk.weights, *[1.0] * (CHUNK + 1 - len(chunk.weights))] for chunk in chunks]
        weights, shares = torch.tensor(rows, device=hidden.device), torch.tensor(counts, device=hidden.device)
        return EMPHASIS[self.emphasis](hidden, weights[:, :, None], shares[:, None, None])

    def _ids(self, chunk: Chunk) -> tuple[int, ...]:
        start, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        assert isinstance(start, int) and isinstance(end, int)
        return (start, *chunk.tokens, *[end] * (CHUNK + 1 - len(chunk.tokens)))

    def _tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]  # pyright: ignore
