"""From a prompt's text to the chunks the text encoder reads: 75 tokens each, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from webui.core.prompt import BREAK_WEIGHT, parse_attention

CHUNK = 75  # tokens between start and end; the text encoder takes 77
COMMA_BACKTRACK = 20  # a chunk that is full is cut after a comma among its last tokens

#: Text → token ids, without start and end.
Tokenize = Callable[[str], Sequence[int]]

#: Stands where a word's vectors go; which token that is has no effect.
PLACEHOLDER = 0


@dataclass(frozen=True)
class Word:
    """A name that stands for vectors of its own: the tokens that it is written with, and how many places the vectors take."""

    name: str
    tokens: tuple[int, ...]
    size: int


class Words:
    """Finds words among tokens. Of two that are written with the same tokens the first counts."""

    def __init__(self, words: Iterable[Word] = ()) -> None:
        self._beginning_with: dict[int, list[Word]] = {}
        for word in sorted((word for word in words if word.tokens), key=lambda word: -len(word.tokens)):
            self._beginning_with.setdefault(word.tokens[0], []).append(word)

    def at(self, tokens: Sequence[int], place: int) -> Word | None:
        """The longest word that begins there."""
        found = self._beginning_with.get(tokens[place], ())
        return next((word for word in found if tuple(tokens[place : place + len(word.tokens)]) == word.tokens), None)


NO_WORDS = Words()


@dataclass
class Chunk:
    """Token ids and their weights, without start and end; at most `CHUNK` of them.

    `words` are the places among the tokens where a word's vectors begin, with its name.
    """

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)

    def add(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def add_word(self, word: Word, weight: float) -> None:
        self.words.append((len(self.tokens), word.name))
        self.tokens += [PLACEHOLDER] * word.size
        self.weights += [weight] * word.size

    def split(self, position: int) -> Chunk:
        """Cut off and return what stands after `position` tokens."""
        words = [(place - position, name) for place, name in self.words if place >= position]
        rest = Chunk(self.tokens[position:], self.weights[position:], words)
        del self.tokens[position:], self.weights[position:]
        self.words = [(place, name) for place, name in self.words if place < position]
        return rest


def split_chunks(text: str, tokenize: Tokenize, emphasis: str = "Original", words: Words = NO_WORDS) -> list[Chunk]:
    """Tokens and weights of a text in chunks as A1111 cuts them: one or more.

    Args:
        emphasis: "None" takes brackets and BREAK as text; the other modes differ only in what is done with the weights.
        words: are never cut: one that finds no room in a chunk begins the next.
    """
    comma = tokenize(",")[0]
    chunks: list[Chunk] = []
    chunk, last_comma = Chunk(), -1
    for piece, weight in [(text, 1.0)] if emphasis == "None" else parse_attention(text):
        if (piece, weight) == ("BREAK", BREAK_WEIGHT):
            chunks.append(chunk)
            chunk, last_comma = Chunk(), -1
            continue
        tokens, place = tokenize(piece), 0
        while place < len(tokens):
            token = tokens[place]
            if token == comma:
                last_comma = len(chunk.tokens)
            if len(chunk.tokens) == CHUNK:
                # What follows a comma near the end moves on, so that a phrase is not torn; a comma itself stays where it is.
                near = token != comma and last_comma >= 0 and CHUNK - last_comma <= COMMA_BACKTRACK
                rest = chunk.split(last_comma + 1) if near else Chunk()
                chunks.append(chunk)
                chunk, last_comma = rest, -1
            word = words.at(tokens, place)
            if word is None:
                chunk.add(token, weight)
                place += 1
                continue
            if len(chunk.tokens) + word.size > CHUNK:
                chunks.append(chunk)
                chunk, last_comma = Chunk(), -1
            chunk.add_word(word, weight)
            place += len(word.tokens)
    return [*chunks, chunk] if chunk.tokens or not chunks else chunks
