"""How many tokens a prompt has, for the form: the same count as the engine's, without torch and transformers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from webui.checkpoints.vocabulary import END, START, clip_vocabulary
from webui.core.chunks import CHUNK, NO_WORDS, Chunk, Word, Words, split_chunks
from webui.core.prompt_parts import parse_composable, parse_networks, strip_comments
from webui.core.prompt_schedule import prompt_schedule

#: Words of CLIP: the special tokens, English endings, letters, single digits, and what is neither.
_WORDS = Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")

#: A schedule may have a text for each step; the count looks at so many of them.
_TEXTS_LIMIT = 32


def count_tokens(
    text: str, *, steps: int = 20, negative: bool = False, emphasis: str = "Original", words: Words = NO_WORDS
) -> tuple[int, int]:
    """Tokens used, and the number that would just fill the chunks they are in (75, 150, …).

    A chunk that BREAK or a comma ends early counts as full. Of parts joined by AND and of the texts of a schedule the longest
    counts.

    Args:
        steps: model calls, for schedules.
        negative: in the negative prompt AND and network tags are text.
        words: embeddings that the checkpoint takes.
    """
    text = strip_comments(text)
    parts = [text] if negative else [part for part, _ in parse_composable(parse_networks(text)[0])]
    texts = {said for part in parts[:_TEXTS_LIMIT] for _, said in prompt_schedule(part, steps)[:_TEXTS_LIMIT]}
    return max(_count(split_chunks(said, tokenize, emphasis, words)) for said in texts)


def _count(chunks: list[Chunk]) -> tuple[int, int]:
    return CHUNK * (len(chunks) - 1) + len(chunks[-1].tokens), CHUNK * len(chunks)


def words_of(sizes: Iterable[tuple[str, int]]) -> Words:
    """How prompts name embeddings, given their names and how many vectors each has. Upper and lower case are the same."""
    return Words(Word(name, _name_tokens(name), size) for name, size in sizes)


@cache
def _name_tokens(name: str) -> tuple[int, ...]:
    return tuple(tokenize(name))


def tokenize(text: str) -> list[int]:
    """Token ids as the engine's tokenizer gives them."""
    return _tokenizer().encode(text, add_special_tokens=False).ids


@cache
def _tokenizer() -> Tokenizer:
    vocabulary, merges = clip_vocabulary()
    model = BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=END)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = Normalizers([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    tokenizer.pre_tokenizer = PreTokenizers([Split(_WORDS, "removed", invert=True), ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([START, END])
    return tokenizer
