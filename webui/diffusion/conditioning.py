"""From prompts to what the UNet is conditioned on: tokens, chunks, text encoder, emphasis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from webui.core.prompt import BREAK_WEIGHT, parse_attention

CHUNK = 75  # tokens between start and end; the text encoder takes 77
COMMA_BACKTRACK = 20  # a chunk that is full is cut after a comma among its last tokens

#: Conditioning and unconditional, each (1, tokens, width) and of the same length; the second is None without guidance.
Conditioning = tuple[Tensor, Tensor | None]


@dataclass
class _Chunk:
    """Token ids and their weights, without start and end; at most `CHUNK` of them."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def split(self, position: int) -> _Chunk:
        """Cut off and return what stands after `position` tokens."""
        rest = _Chunk(self.tokens[position:], self.weights[position:])
        del self.tokens[position:], self.weights[position:]
        return rest


def encode_prompts(
    text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, prompt: str, negative_prompt: str | None
) -> Conditioning:
    """Conditioning and unconditional, each (1, 77 · chunks, width) and of the same length.

    Args:
        negative_prompt: None where the guidance scale is 1 and nobody asks for it.
    """
    texts = [prompt] if negative_prompt is None else [prompt, negative_prompt]
    chunked = [split_chunks(tokenizer, text) for text in texts]
    longest = max(len(chunks) for chunks in chunked)
    padded = [chunks + [_Chunk() for _ in range(longest - len(chunks))] for chunks in chunked]
    encoded = [torch.cat([_encode(text_encoder, tokenizer, chunk) for chunk in chunks], dim=1) for chunks in padded]
    return encoded[0], encoded[1] if len(encoded) > 1 else None


def split_chunks(tokenizer: CLIPTokenizer, text: str) -> list[_Chunk]:
    """Tokens and weights of a prompt in chunks as A1111 cuts them: one or more, none longer than 75 tokens."""
    comma = _ids(tokenizer, ",")[0]
    chunks: list[_Chunk] = []
    chunk, last_comma = _Chunk(), -1
    for piece, weight in parse_attention(text):
        if (piece, weight) == ("BREAK", BREAK_WEIGHT):
            chunks.append(chunk)
            chunk, last_comma = _Chunk(), -1
            continue
        for token in _ids(tokenizer, piece):
            if token == comma:
                last_comma = len(chunk.tokens)
            if len(chunk.tokens) == CHUNK:
                # What follows a comma near the end moves on, so that a phrase is not torn; a comma itself stays where it is.
                near = token != comma and last_comma >= 0 and CHUNK - last_comma <= COMMA_BACKTRACK
                rest = chunk.split(last_comma + 1) if near else _Chunk()
                chunks.append(chunk)
                chunk, last_comma = rest, -1
            chunk.add(token, weight)
    return [*chunks, chunk] if chunk.tokens or not chunks else chunks


def _ids(tokenizer: CLIPTokenizer, text: str) -> Sequence[int]:
    return tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]  # pyright: ignore[reportReturnType]


def _encode(text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, chunk: _Chunk) -> Tensor:
    """(1, 77, width): the last hidden states, weighted.

    The weights multiply the vectors; then all are scaled so that their mean is as before, which keeps one strong word from
    brightening everything.
    """
    start, end = _special(tokenizer)
    padding = CHUNK - len(chunk.tokens)
    ids = torch.tensor([[start, *chunk.tokens, *[end] * (padding + 1)]], device=text_encoder.device)
    hidden = text_encoder(input_ids=ids).last_hidden_state
    if all(weight == 1.0 for weight in chunk.weights):
        return hidden
    weights = torch.tensor([1.0, *chunk.weights, *[1.0] * (padding + 1)], device=hidden.device, dtype=hidden.dtype)
    weighted = hidden * weights[None, :, None]
    return weighted * (hidden.mean() / weighted.mean())


def _special(tokenizer: CLIPTokenizer) -> tuple[int, int]:
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert isinstance(start, int)
    assert isinstance(end, int)
    return start, end
