"""From a prompt's text to the chunks the text encoder reads: 75 tokens each, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from webui.core.prompt import BREAK_WEIGHT, parse_attention

CHUNK = 75  # tokens between start and end; the text encoder takes 77
COMMA_BACKTRACK = 20  # a chunk that is full is cut after a comma among its last tokens

#: Text → token ids, without start and end.
Tokenize = Callable[[str], Sequence[int]]


@dataclass
class Chunk:
    """Token ids and their weights, without start and end; at most `CHUNK` of them."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def split(self, position: int) -> Chunk:
        """Cut off and return what stands after `position` tokens."""
        rest = Chunk(self.tokens[position:], self.weights[position:])
        del self.tokens[position:], self.weights[position:]
        return rest


def split_chunks(text: str, tokenize: Tokenize, emphasis: str = "Original") -> list[Chunk]:
    """Tokens and weights of a text in chunks as A1111 cuts them: one or more.

    Args:
        emphasis: "None" takes brackets and BREAK as text; the other modes differ only in what is done with the weights.
    """
    comma = tokenize(",")[0]
    chunks: list[Chunk] = []
    chunk, last_comma = Chunk(), -1
    for piece, weight in [(text, 1.0)] if emphasis == "None" else parse_attention(text):
        if (piece, weight) == ("BREAK", BREAK_WEIGHT):
            chunks.append(chunk)
            chunk, last_comma = Chunk(), -1
            continue
        for token in tokenize(piece):
            if token == comma:
                last_comma = len(chunk.tokens)
            if len(chunk.tokens) == CHUNK:
                # What follows a comma near the end moves on, so that a phrase is not torn; a comma itself stays where it is.
                near = token != comma and last_comma >= 0 and CHUNK - last_comma <= COMMA_BACKTRACK
                rest = chunk.split(last_comma + 1) if near else Chunk()
                chunks.append(chunk)
                chunk, last_comma = rest, -1
            chunk.add(token, weight)
    return [*chunks, chunk] if chunk.tokens or not chunks else chunks
