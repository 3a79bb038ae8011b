"""From prompts to what the UNet is conditioned on: schedules, parts, chunks, text encoders, emphasis."""

from __future__ import annotations

import weakref
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from transformers import CLIPTextModel

from webui.checkpoints.embeddings import Embedding, Embeddings
from webui.checkpoints.families import Family
from webui.checkpoints.pipeline import TextEncoder
from webui.core.chunks import CHUNK, Chunk, split_chunks
from webui.core.prompt_parts import parse_composable, parse_networks, strip_comments
from webui.core.prompt_schedule import prompt_schedule
from webui.core.switching import AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE
from webui.diffusion.emphasis import EMPHASIS
from webui.diffusion.lengths import Level
from webui.errors import InvalidRequest


@dataclass(frozen=True)
class Encoded:
    """A text as the UNet is told of it.

    Args:
        vectors: (tokens, width) to attend to.
        pooled: (width,) of the whole text, and
        size_ids: numbers beside it, where the family has them.
    """

    vectors: Tensor
    pooled: Tensor | None = None
    size_ids: tuple[float, ...] = ()

    def zeroed(self) -> Encoded:
        """Told of nothing but sizes."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return replace(self, vectors=torch.zeros_like(self.vectors), pooled=pooled)


@dataclass(frozen=True)
class Schedule:
    """A text that may change while sampling.

    Args:
        entries: (last model call, text) pairs, rising; the vectors all of one length.
        weight: of this part where several are joined by AND.
    """

    entries: tuple[tuple[int, Encoded], ...]
    weight: float = 1.0

    def at(self, call: int) -> Encoded:
        """The text of a model call, counted from 0.

        A change "after step n" is seen by call n + 1, which is the call after next when calls count from 0. So it is in A1111,
        and pictures in circulation were made with it.
        """
        return next((encoded for end, encoded in self.entries if call <= end), self.entries[-1][1])


@dataclass(frozen=True)
class Conditioning:
    """Encoded prompt, in the parts that AND joins, and encoded negative prompt; None where nothing asks for it.

    `level` brings the two to one length. None: each counts as if it were alone, whatever the other's length.
    """

    conditionals: tuple[Schedule, ...]
    unconditional: Schedule | None = None
    level: Level | None = None

    @property
    def weight(self) -> float:
        """The sum of the parts' weights."""
        return sum(part.weight for part in self.conditionals)

    @property
    def changes(self) -> bool:
        """Whether any text does while sampling."""
        texts = [*self.conditionals, *([] if self.unconditional is None else [self.unconditional])]
        return any(len(text.entries) > 1 for text in texts)


def size_ids(family: Family, width: int, height: int, aesthetic_score: float = AESTHETIC_SCORE) -> tuple[float, ...]:
    """The numbers beside the pooled vector, in the order of the family: sizes are height first, nothing is cropped.

    Source: Podell et al. 2023, section 2.2, arXiv:2307.01952.
    """
    if family.size_ids == "target":
        return height, width, 0, 0, height, width
    if family.size_ids == "aesthetic":
        return height, width, 0, 0, aesthetic_score
    return ()


# ---- encoding


@dataclass(frozen=True)
class _State:
    """Of one chunk: (77, width), and (width,) of its end where the encoder gives that."""

    hidden: Tensor
    pooled: Tensor | None


#: Places among 77 tokens from which on an embedding's vectors stand; a tensor is compared by identity.
Rows = tuple[tuple[int, Embedding, Tensor], ...]


class HiddenStates:
    """What text encoders gave for the latest chunks, for as long as they are in memory: none is encoded twice."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        # A module may take another checkpoint's weights; the `TextEncoder` around it is then another.
        self._known: weakref.WeakKeyDictionary[TextEncoder, OrderedDict[tuple[object, ...], _State]]
        self._known = weakref.WeakKeyDictionary()

    def of(self, encoder: TextEncoder, ids: tuple[int, ...], clip_skip: int, rows: Rows = (), networks: Hashable = ()) -> _State:
        """For 77 token ids, some of which have other vectors than the encoder's table.

        Args:
            networks: equal for equal weights of the encoder.
        """
        states = self._known.setdefault(encoder, OrderedDict())
        key = clip_skip if encoder.facts.follows_clip_skip else 0, ids, rows, networks
        if key not in states:
            with _replaced(encoder, rows):
                states[key] = _run(encoder, ids, clip_skip)
        states.move_to_end(key)
        if len(states) > self._limit:
            states.popitem(last=False)
        return states[key]


@contextmanager
def _replaced(encoder: TextEncoder, rows: Rows) -> Iterator[None]:
    """Inside, the encoder takes these vectors for tokens; positions are added to them as to any."""

    def put_in(module: object, inputs: object, vectors: Tensor) -> Tensor:
        vectors = vectors.clone()
        for place, _, own in rows:
            vectors[:, place : place + len(own)] = own.to(vectors)
        return vectors

    hook = encoder.module.get_input_embeddings().register_forward_hook(put_in) if rows else None
    try:
        yield
    finally:
        if hook:
            hook.remove()


def _run(encoder: TextEncoder, ids: tuple[int, ...], clip_skip: int) -> _State:
    """What the layer before the end that the family, or clip skip, wants gave."""
    module, facts = encoder.module, encoder.facts
    layer = clip_skip if facts.follows_clip_skip else facts.layer
    layers = module.config.num_hidden_layers
    if layer > layers:
        message = f"The text encoder of this checkpoint has {layers} layers: clip skip can be 1 to {layers}, not {layer}."
        raise InvalidRequest("clip_skip", message)
    last_alone = layer == 1 and facts.normed
    outputs = module(input_ids=torch.tensor([ids], device=module.device), output_hidden_states=not last_alone)
    pooled = outputs.text_embeds[0].float() if facts.pooled else None
    if last_alone:
        return _State(outputs.last_hidden_state[0].float(), pooled)
    hidden = outputs.hidden_states[-layer]
    if facts.normed:
        inner = module if isinstance(module, CLIPTextModel) else module.text_model
        hidden = inner.final_layer_norm(hidden)
    return _State(hidden[0].float(), pooled)


@dataclass(frozen=True)
class PromptEncoder:
    """Text encoders and how they are to read.

    Args:
        text_encoders: their vectors are put side by side.
        states: remembers chunks; shared by jobs.
        width, height: of the picture in pixels, for families that are told.
        clip_skip: 1 is the last layer; for text encoders that follow it.
        emphasis: a key of `EMPHASIS`.
        old_schedules: `[a:b:n]` by the rules of before A1111 1.6.
        embeddings: that prompts may name.
        calls_before: how often the model was asked in the pass before this one; schedules of a second pass go on from there.
        aesthetic_score, negative_aesthetic_score: for families that are told how pleasing the picture is.
        networks: equal for equal weights of the text encoders.
    """

    text_encoders: Sequence[TextEncoder]
    family: Family
    states: HiddenStates
    width: int = 512
    height: int = 512
    clip_skip: int = 1
    emphasis: str = "Original"
    old_schedules: bool = False
    embeddings: Embeddings = field(default_factory=Embeddings)
    calls_before: int | None = None
    aesthetic_score: float = AESTHETIC_SCORE
    negative_aesthetic_score: float = NEGATIVE_AESTHETIC_SCORE
    networks: Hashable = ()

    def conditionals(self, prompt: str, calls: int) -> tuple[Schedule, ...]:
        """The parts of a prompt, without comments and network tags.

        Args:
            calls: how often the model will be asked; schedules count these.
        """
        text, _ = parse_networks(strip_comments(prompt))
        ids = size_ids(self.family, self.width, self.height, self.aesthetic_score)
        return tuple(self._scheduled(part, calls, ids, weight) for part, weight in parse_composable(text))

    def unconditional(self, negative_prompt: str, calls: int) -> Schedule:
        """Here AND and network tags are text. Of an empty one SDXL is told nothing, as in A1111: zeros."""
        text = strip_comments(negative_prompt)
        ids = size_ids(self.family, self.width, self.height, self.negative_aesthetic_score)
        schedule = self._scheduled(text, calls, ids)
        if text or not self.family.sdxl:
            return schedule
        return replace(schedule, entries=tuple((end, encoded.zeroed()) for end, encoded in schedule.entries))

    def encode(self, texts: Sequence[str], ids: tuple[float, ...] = ()) -> dict[str, Encoded]:
        """Each text of a schedule, (77 · chunks, width), in float32. Shorter ones are filled up with empty chunks."""
        counts = Counter(texts)
        chunked = [split_chunks(text, self._tokenize, self.emphasis, self.embeddings.words) for text in counts]
        longest = max(len(chunks) for chunks in chunked)
        rows = [[chunks[place] if place < len(chunks) else Chunk() for chunks in chunked] for place in range(longest)]
        vectors = torch.cat([self._encode_row(row, list(counts.values())) for row in rows], dim=1)
        pooled = [self._pooled(chunk) for chunk in rows[0]]
        return {text: Encoded(rows, whole, ids) for text, rows, whole in zip(counts, vectors, pooled, strict=True)}

    def _scheduled(self, text: str, calls: int, ids: tuple[float, ...], weight: float = 1.0) -> Schedule:
        if self.calls_before is None:
            schedule = prompt_schedule(text, calls, old=self.old_schedules)
        else:
            schedule = prompt_schedule(text, self.calls_before, calls, old=self.old_schedules)
        encoded = self.encode([said for _, said in schedule], ids)
        return Schedule(tuple((end, encoded[said]) for end, said in schedule), weight)

    def _encode_row(self, chunks: list[Chunk], counts: list[int]) -> Tensor:
        """(texts, 77, width): the chunks of one place in all texts, weighted for each text encoder by itself."""
        hidden = [torch.stack([self._state(encoder, chunk).hidden for chunk in chunks]) for encoder in self.text_encoders]
        if any(weight != 1.0 for chunk in chunks for weight in chunk.weights):
            rows = [[1.0, *chunk.weights, *[1.0] * (CHUNK + 1 - len(chunk.weights))] for chunk in chunks]
            weights = torch.tensor(rows, device=hidden[0].device)[:, :, None]
            shares = torch.tensor(counts, device=hidden[0].device)[:, None, None]
            hidden = [EMPHASIS[self.emphasis](of_encoder, weights, shares) for of_encoder in hidden]
        return torch.cat(hidden, dim=-1)

    def _pooled(self, first: Chunk) -> Tensor | None:
        """Of a text's first chunk, without its weights."""
        return next((self._state(encoder, first).pooled for encoder in self.text_encoders if encoder.facts.pooled), None)

    def _state(self, encoder: TextEncoder, chunk: Chunk) -> _State:
        ids, rows = padded(chunk.tokens, encoder), self._rows(encoder, chunk)
        return self.states.of(encoder, ids, self.clip_skip, rows, self.networks)

    def _rows(self, encoder: TextEncoder, chunk: Chunk) -> Rows:
        index, count = self.text_encoders.index(encoder), len(self.text_encoders)
        named = ((place + 1, self.embeddings.get(name)) for place, name in chunk.words)  # after the start token
        return tuple((place, embedding, embedding.for_encoder(index, count)) for place, embedding in named)

    def _tokenize(self, text: str) -> list[int]:
        """The vocabulary is the same for all text encoders."""
        tokenizer = self.text_encoders[0].tokenizer
        return tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]  # pyright: ignore


def padded(tokens: Sequence[int], encoder: TextEncoder) -> tuple[int, ...]:
    """77 token ids: start, tokens, end, and after the first end what the text encoder was trained to see there."""
    start, end = encoder.tokenizer.bos_token_id, encoder.tokenizer.eos_token_id
    assert isinstance(start, int) and isinstance(end, int)
    ids = [start, *tokens, end]
    ids = ids[: ids.index(end) + 1] if encoder.facts.padding != end else ids
    return (*ids, *[encoder.facts.padding] * (CHUNK + 2 - len(ids)))
