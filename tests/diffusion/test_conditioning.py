from __future__ import annotations

import pytest
import torch
from transformers import CLIPTextModel

from tests.tiny import tiny_parts
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.diffusion.conditioning import encode_prompts, split_chunks

CAT, DOG, COMMA = 2368, 1929, 267


@pytest.fixture(scope="module")
def text_encoder() -> CLIPTextModel:
    return tiny_parts(1).text_encoder.requires_grad_(False)


def chunk_tokens(text: str) -> list[list[int]]:
    return [chunk.tokens for chunk in split_chunks(clip_tokenizer(), text)]


def reference(text_encoder: CLIPTextModel, text: str) -> torch.Tensor:
    """What transformers gives for a prompt without weights."""
    ids = clip_tokenizer()(text, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    return text_encoder(ids).last_hidden_state


@pytest.mark.parametrize("text", ["", "a photo of a cat", "Two cats, (literally) “naïve” 日本 😀".replace("(literally) ", "")])
def test_prompt_without_weights_is_encoded_as_transformers_does(text: str, text_encoder: CLIPTextModel):
    conditioning, unconditional = encode_prompts(text_encoder, clip_tokenizer(), text, None)
    assert unconditional is None
    assert conditioning.shape == (1, 77, 8)
    assert torch.allclose(conditioning, reference(text_encoder, text), atol=1e-6)


def test_chunk_takes_75_tokens():
    assert [len(tokens) for tokens in chunk_tokens("cat " * 75)] == [75]
    assert chunk_tokens("cat " * 76) == [[CAT] * 75, [CAT]]
    assert chunk_tokens("") == [[]]


def test_full_chunk_is_cut_after_a_comma_among_its_last_20_tokens():
    # 60 cats, comma, 14 dogs fill the chunk; the dogs move on together.
    assert chunk_tokens("cat " * 60 + ", " + "dog " * 20) == [[CAT] * 60 + [COMMA], [DOG] * 20]


def test_comma_further_back_does_not_cut():
    first, second = chunk_tokens("cat " * 54 + ", " + "dog " * 30)
    assert first == [CAT] * 54 + [COMMA] + [DOG] * 20
    assert second == [DOG] * 10


def test_comma_20_from_the_end_is_the_first_that_cuts():
    assert chunk_tokens("cat " * 55 + ", " + "dog " * 30) == [[CAT] * 55 + [COMMA], [DOG] * 30]


def test_comma_that_finds_the_chunk_full_begins_the_next():
    assert chunk_tokens("cat " * 75 + ", dog") == [[CAT] * 75, [COMMA, DOG]]


def test_break_pads_out_the_chunk():
    assert chunk_tokens("cat BREAK dog") == [[CAT], [DOG]]
    assert chunk_tokens("cat BREAK") == [[CAT]]
    assert chunk_tokens("BREAK cat") == [[], [CAT]]


def test_weights_go_with_their_tokens():
    (chunk,) = split_chunks(clip_tokenizer(), "cat (dog:1.5)")
    assert (chunk.tokens, chunk.weights) == ([CAT, DOG], [1.0, 1.5])


def test_weights_move_with_tokens_to_the_next_chunk():
    first, second = split_chunks(clip_tokenizer(), "cat " * 60 + ", (" + "dog " * 20 + ":1.5)")
    assert set(first.weights) == {1.0}
    assert second.weights == [1.5] * 20


def test_emphasis_multiplies_and_restores_the_mean(text_encoder: CLIPTextModel):
    plain = reference(text_encoder, "a cat dog")
    weighted, _ = encode_prompts(text_encoder, clip_tokenizer(), "a (cat:1.5) dog", None)
    expected = plain.clone()
    expected[:, 2] *= 1.5
    expected *= plain.mean() / expected.mean()
    assert torch.allclose(weighted, expected, atol=1e-6)
    assert float(weighted.mean()) == pytest.approx(float(plain.mean()), abs=1e-6)
    assert not torch.allclose(weighted, plain, atol=1e-3)


def test_long_prompt_is_one_chunk_after_another(text_encoder: CLIPTextModel):
    conditioning, _ = encode_prompts(text_encoder, clip_tokenizer(), "cat BREAK dog", None)
    expected = torch.cat([reference(text_encoder, "cat"), reference(text_encoder, "dog")], dim=1)
    assert torch.allclose(conditioning, expected, atol=1e-6)


@pytest.mark.parametrize(("prompt", "negative"), [("cat BREAK dog", "red"), ("red", "cat BREAK dog")])
def test_shorter_prompt_is_padded_with_empty_chunks(prompt: str, negative: str, text_encoder: CLIPTextModel):
    both = encode_prompts(text_encoder, clip_tokenizer(), prompt, negative)
    assert both[1] is not None
    assert both[0].shape == both[1].shape == (1, 154, 8)
    short = both[1] if negative == "red" else both[0]
    expected = torch.cat([reference(text_encoder, "red"), reference(text_encoder, "")], dim=1)
    assert torch.allclose(short, expected, atol=1e-6)


def test_very_long_prompt_keeps_every_token():
    assert sum(len(tokens) for tokens in chunk_tokens("cat, " * 2000)) == 4000
