from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from tests.tiny import TEXT_CONFIG
from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.embeddings import Embedding, Embeddings
from webui.checkpoints.families import FAMILIES, SD1
from webui.checkpoints.pipeline import TextEncoder
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.diffusion.conditioning import Conditioning, HiddenStates, PromptEncoder, Schedule
from webui.diffusion.emphasis import EMPHASIS
from webui.errors import InvalidRequest

LAYERS = 3


@pytest.fixture(scope="module")
def text_encoder() -> CLIPTextModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = CLIPTextConfig(**{**TEXT_CONFIG, "num_hidden_layers": LAYERS})
        model = CLIPTextModel(config).eval().requires_grad_(False)
        # As in trained models the mean is not 0, so that it can be restored.
        model.final_layer_norm.bias.normal_(0.5)
        return model


SD1_FAMILY = FAMILIES[SD1]


def sd1(module: CLIPTextModel) -> TextEncoder:
    return TextEncoder(module, clip_tokenizer(), SD1_FAMILY.encoders[0])


def encoder(text_encoder: CLIPTextModel | TextEncoder, **options: Any) -> PromptEncoder:
    loaded = text_encoder if isinstance(text_encoder, TextEncoder) else sd1(text_encoder)
    return PromptEncoder([loaded], SD1_FAMILY, **{"states": HiddenStates(), **options})


def encoded(text_encoder: CLIPTextModel | TextEncoder, text: str, **options: Any) -> Tensor:
    return vectors_of(encoder(text_encoder, **options), text)


def vectors_of(reader: PromptEncoder, text: str) -> Tensor:
    return reader.encode([text])[text].vectors


def token_ids(text: str) -> Tensor:
    return clip_tokenizer()(text, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids


def reference(text_encoder: CLIPTextModel, text: str) -> Tensor:
    """What transformers gives for a prompt without weights."""
    return text_encoder(token_ids(text)).last_hidden_state[0]


def texts_at(schedule: Schedule, encoder_of: PromptEncoder, words: list[str], calls: int) -> list[str]:
    """Which of the words each call is conditioned on."""
    known = {word: vectors_of(encoder_of, word) for word in words}
    seen = [schedule.at(call).vectors for call in range(calls)]
    return [next(word for word, vectors in known.items() if torch.equal(vectors, at_call)) for at_call in seen]


# ---- chunks


@pytest.mark.parametrize("text", ["", "a photo of a cat", "Two cats, “naïve” 日本 😀"])
def test_prompt_without_weights_is_encoded_as_transformers_does(text: str, text_encoder: CLIPTextModel):
    vectors = encoded(text_encoder, text)
    assert (vectors.shape, vectors.dtype) == ((77, 8), torch.float32)
    assert torch.allclose(vectors, reference(text_encoder, text), atol=1e-6)


def test_long_prompt_is_one_chunk_after_another(text_encoder: CLIPTextModel):
    expected = torch.cat([reference(text_encoder, "cat"), reference(text_encoder, "dog")])
    assert torch.allclose(encoded(text_encoder, "cat BREAK dog"), expected, atol=1e-6)


def test_texts_of_a_schedule_are_padded_with_empty_chunks(text_encoder: CLIPTextModel):
    texts = encoder(text_encoder).encode(["cat BREAK dog", "red"])
    expected = torch.cat([reference(text_encoder, "red"), reference(text_encoder, "")])
    assert torch.allclose(texts["red"].vectors, expected, atol=1e-6)


def test_prompt_and_negative_prompt_keep_their_own_lengths(text_encoder: CLIPTextModel):
    """The denoiser hides the difference; padding would change the picture, and A1111 does not pad unless told to."""
    reader = encoder(text_encoder)
    assert reader.conditionals("cat BREAK dog", 10)[0].at(0).vectors.shape == (154, 8)
    assert reader.unconditional("red", 10).at(0).vectors.shape == (77, 8)


# ---- emphasis


def test_modes_are_those_of_the_request():
    assert tuple(EMPHASIS) == params_of(GenerationRequest)["emphasis"].param.choices


def test_emphasis_multiplies_and_restores_the_mean(text_encoder: CLIPTextModel):
    plain, weighted = reference(text_encoder, "a cat dog"), encoded(text_encoder, "a (cat:1.5) dog")
    expected = plain.clone()
    expected[2] *= 1.5
    expected *= plain.mean() / expected.mean()
    assert torch.allclose(weighted, expected, atol=1e-6)
    assert float(weighted.mean()) == pytest.approx(float(plain.mean()), abs=1e-6)
    assert not torch.allclose(weighted, plain, atol=1e-3)


def test_emphasis_without_norm_only_multiplies(text_encoder: CLIPTextModel):
    expected = reference(text_encoder, "a cat dog").clone()
    expected[2] *= 1.5
    assert torch.allclose(encoded(text_encoder, "a (cat:1.5) dog", emphasis="No norm"), expected, atol=1e-6)


def test_emphasis_ignored_is_read_and_not_applied(text_encoder: CLIPTextModel):
    weighted = encoded(text_encoder, "a (cat:1.5) dog", emphasis="Ignore")
    assert torch.allclose(weighted, reference(text_encoder, "a cat dog"), atol=1e-6)


def test_no_emphasis_takes_brackets_as_text(text_encoder: CLIPTextModel):
    literal = encoded(text_encoder, "a (cat:1.5) dog", emphasis="None")
    assert torch.allclose(literal, reference(text_encoder, "a (cat:1.5) dog"), atol=1e-6)


def test_mean_is_restored_over_each_chunk_by_itself(text_encoder: CLIPTextModel):
    vectors = encoded(text_encoder, "(cat:1.5) BREAK dog")
    assert torch.allclose(vectors[77:], reference(text_encoder, "dog"), atol=1e-6)


def test_mean_is_restored_over_all_texts_of_a_schedule_as_often_as_they_come(text_encoder: CLIPTextModel):
    texts = ["a (cat:1.5)", "dog", "dog"]
    cat, dog = reference(text_encoder, "a cat"), reference(text_encoder, "dog")
    weighted = cat.clone()
    weighted[2] *= 1.5
    factor = torch.stack([cat, dog, dog]).mean() / torch.stack([weighted, dog, dog]).mean()
    encodings = encoder(text_encoder).encode(texts)
    assert torch.allclose(encodings["a (cat:1.5)"].vectors, weighted * factor, atol=1e-6)
    assert torch.allclose(encodings["dog"].vectors, dog * factor, atol=1e-6)


# ---- clip skip


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_clip_skip_leaves_out_the_last_layers_and_keeps_the_norm(skip: int, text_encoder: CLIPTextModel):
    shorter = CLIPTextModel(CLIPTextConfig(**{**TEXT_CONFIG, "num_hidden_layers": LAYERS + 1 - skip})).eval()
    shorter.load_state_dict(text_encoder.state_dict(), strict=False)
    assert torch.allclose(encoded(text_encoder, "a cat", clip_skip=skip), reference(shorter, "a cat"), atol=1e-6)


def test_clip_skip_beyond_the_layers_is_refused_by_their_number(text_encoder: CLIPTextModel):
    with pytest.raises(InvalidRequest, match=r"has 3 layers: clip skip can be 1 to 3, not 4") as caught:
        encoded(text_encoder, "a cat", clip_skip=4)
    assert caught.value.field == "clip_skip"


# ---- schedules and parts


def test_change_after_step_5_is_seen_by_the_call_after_it_as_in_a1111(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    (schedule,) = reader.conditionals("[cat:dog:0.5]", 10)
    # A1111 counts calls from 0 and compares with a step counted from 1: "after 5 steps" is after 6 calls.
    assert texts_at(schedule, reader, ["cat", "dog"], 10) == ["cat"] * 6 + ["dog"] * 4


def test_alternation_begins_with_two_calls_of_the_first_as_in_a1111(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    (schedule,) = reader.conditionals("[cat|dog]", 5)
    assert texts_at(schedule, reader, ["cat", "dog"], 5) == ["cat", "cat", "dog", "cat", "dog"]


def test_calls_after_the_last_keep_the_last_text(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    (schedule,) = reader.conditionals("[cat:dog:0.5]", 4)
    assert schedule.at(99) is schedule.at(3)


def test_old_rules_take_whole_numbers_with_a_point_as_steps(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder, old_schedules=True)
    (schedule,) = reader.conditionals("[cat:dog:2.0]", 6)
    assert texts_at(schedule, reader, ["cat", "dog"], 6) == ["cat"] * 3 + ["dog"] * 3


def test_parts_joined_by_and_have_weights_and_schedules_of_their_own(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    parts = reader.conditionals("cat AND [dog:red:0.5] :0.5 AND bird:-1.5", 4)
    assert [part.weight for part in parts] == [1.0, 0.5, -1.5]
    assert Conditioning(parts).weight == 0.0
    assert texts_at(parts[1], reader, ["dog", "red"], 4) == ["dog"] * 3 + ["red"]
    assert torch.equal(parts[2].at(0).vectors, vectors_of(reader, "bird"))


def test_negative_prompt_has_schedules_but_no_parts(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    schedule = reader.unconditional("[cat:dog:1] AND <lora:x:1>", 4)
    expected = ["cat AND <lora:x:1>", "dog AND <lora:x:1>"]
    assert texts_at(schedule, reader, expected, 4) == [expected[0]] * 2 + [expected[1]] * 2


def test_comments_and_network_tags_are_left_out(text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    (schedule,) = reader.conditionals("cat<lora:fluffy:0.8> # and nothing else", 4)
    assert torch.equal(schedule.at(0).vectors, vectors_of(reader, "cat "))
    assert torch.equal(reader.unconditional("red# blue", 4).at(0).vectors, vectors_of(reader, "red"))


# ---- memory


def test_no_chunk_is_encoded_twice(text_encoder: CLIPTextModel, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    forward = text_encoder.forward
    monkeypatch.setattr(text_encoder, "forward", lambda **inputs: (seen.append(inputs["input_ids"]), forward(**inputs))[1])
    states, loaded = HiddenStates(), sd1(text_encoder)
    encoder(loaded, states=states).conditionals("[cat|dog] AND cat", 20)
    assert len(seen) == 2
    encoder(loaded, states=states, emphasis="No norm").conditionals("(cat:1.2) BREAK dog", 7)
    assert len(seen) == 2
    encoder(loaded, states=states, clip_skip=2).unconditional("cat", 20)
    assert len(seen) == 3


def test_memory_gives_the_same_bits_and_knows_its_text_encoder(text_encoder: CLIPTextModel):
    states, loaded = HiddenStates(limit=2), sd1(text_encoder)
    first = encoded(loaded, "cat BREAK dog BREAK bird", states=states)
    assert torch.equal(first, encoded(loaded, "cat BREAK dog BREAK bird", states=states))
    other = CLIPTextModel(text_encoder.config).eval().requires_grad_(False)
    assert torch.allclose(encoded(other, "cat", states=states), reference(other, "cat"), atol=1e-6)


def test_module_that_took_other_weights_is_asked_anew(text_encoder: CLIPTextModel):
    states, module = HiddenStates(), copy.deepcopy(text_encoder)
    before = encoded(sd1(module), "cat", states=states)
    with torch.no_grad():
        module.final_layer_norm.bias.add_(1.0)
    assert torch.allclose(encoded(sd1(module), "cat", states=states), before + 1.0, atol=1e-6)


@pytest.mark.parametrize(
    "prompt", ["", " AND ", "((((", "BREAK BREAK", "(a:0)", "[a:b:]", "[|]", "AND:2", "\u202e 日本 😀", "cat, " * 400]
)
def test_odd_prompts_are_encoded(prompt: str, text_encoder: CLIPTextModel):
    reader = encoder(text_encoder)
    for part in (*reader.conditionals(prompt, 3), reader.unconditional(prompt, 3)):
        assert torch.isfinite(part.at(0).vectors).all()


# ---- embeddings


class Shelf:
    """Embeddings made for a test; read from no file."""

    def __init__(self, text_encoder: CLIPTextModel, **vectors: Tensor) -> None:
        self.made = {name: Embedding(name, (own,), "0" * 64) for name, own in vectors.items()}
        infos = [EmbeddingInfo(name, Path(name), 1, len(own), (own.shape[1],)) for name, own in vectors.items()]
        widths = [text_encoder.config.hidden_size]
        self.embeddings = Embeddings(infos, widths, lambda info: self.made[info.name])


def table(text_encoder: CLIPTextModel) -> Tensor:
    weight = text_encoder.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight


def own_vectors(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, TEXT_CONFIG["hidden_size"], generator=torch.Generator().manual_seed(seed))


def with_more_tokens(text_encoder: CLIPTextModel, vectors: Tensor) -> tuple[CLIPTextModel, range]:
    """The encoder with a larger table, and the ids of the new rows: what transformers calls a trained concept."""
    larger, first = copy.deepcopy(text_encoder), len(table(text_encoder))
    larger.set_input_embeddings(torch.nn.Embedding.from_pretrained(torch.cat([table(text_encoder), vectors])))
    return larger, range(first, first + len(vectors))


def test_an_embedding_is_encoded_as_tokens_of_its_own(text_encoder: CLIPTextModel):
    vectors = own_vectors(3)
    shelf = Shelf(text_encoder, zebrafish=vectors)
    larger, ids = with_more_tokens(text_encoder, vectors)
    tokens = token_ids("a photo of a cat")  # the places of "photo of a" are taken by the three new ones
    tokens[0, 2:5] = torch.tensor(list(ids))
    expected = larger(tokens).last_hidden_state[0]
    assert torch.equal(encoded(text_encoder, "a zebrafish cat", embeddings=shelf.embeddings), expected)


def test_the_rows_of_a_words_own_tokens_give_the_bits_of_the_word(text_encoder: CLIPTextModel):
    rows = table(text_encoder)[clip_tokenizer()("big red dog", add_special_tokens=False).input_ids]
    shelf = Shelf(text_encoder, zebrafish=rows)
    assert torch.equal(
        encoded(text_encoder, "a (zebrafish:1.3), cat", embeddings=shelf.embeddings),
        encoded(text_encoder, "a (big red dog:1.3), cat"),
    )


@pytest.mark.parametrize("skip", [1, 2])
def test_embeddings_go_with_clip_skip(skip: int, text_encoder: CLIPTextModel):
    rows = table(text_encoder)[clip_tokenizer()("dog", add_special_tokens=False).input_ids]
    shelf = Shelf(text_encoder, zebrafish=rows)
    changed = encoded(text_encoder, "a zebrafish", embeddings=shelf.embeddings, clip_skip=skip)
    assert torch.equal(changed, encoded(text_encoder, "a dog", clip_skip=skip))


def test_an_embedding_stands_in_schedules_parts_and_the_negative_prompt(text_encoder: CLIPTextModel):
    rows = table(text_encoder)[clip_tokenizer()("dog", add_special_tokens=False).input_ids]
    reader = encoder(text_encoder, embeddings=Shelf(text_encoder, zebrafish=rows).embeddings)
    plain = encoder(text_encoder)
    prompt, worded = "[cat:Zebrafish:0.5] AND zebrafish:0.5", "[cat:dog:0.5] AND dog:0.5"
    for part, expected in zip(reader.conditionals(prompt, 4), plain.conditionals(worded, 4), strict=True):
        for call in range(4):
            assert torch.equal(part.at(call).vectors, expected.at(call).vectors)
    negative = reader.unconditional("zebrafish", 4).at(0).vectors
    assert torch.equal(negative, plain.unconditional("dog", 4).at(0).vectors)
    assert reader.embeddings.hashes == f"zebrafish: {'0' * 12}"


def test_an_embedding_that_finds_no_room_begins_the_next_chunk(text_encoder: CLIPTextModel):
    shelf = Shelf(text_encoder, zebrafish=own_vectors(4))
    vectors = encoded(text_encoder, "cat " * 73 + "zebrafish", embeddings=shelf.embeddings)
    alone = encoded(text_encoder, "zebrafish", embeddings=shelf.embeddings)
    assert torch.equal(vectors, torch.cat([encoded(text_encoder, "cat " * 73), alone]))


def test_two_embeddings_of_one_name_and_size_are_not_confused_in_memory(text_encoder: CLIPTextModel):
    states, loaded = HiddenStates(), sd1(text_encoder)
    first, second = (Shelf(text_encoder, zebrafish=own_vectors(2, seed)).embeddings for seed in (1, 2))
    before = encoded(loaded, "zebrafish", states=states, embeddings=first)
    assert not torch.allclose(before, encoded(loaded, "zebrafish", states=states, embeddings=second), atol=1e-3)
    assert torch.equal(before, encoded(loaded, "zebrafish", states=states, embeddings=first))
    assert torch.equal(encoded(loaded, "!", states=states), encoded(text_encoder, "!"))


def test_the_text_encoder_is_left_as_it_was_also_after_an_error(text_encoder: CLIPTextModel):
    shelf = Shelf(text_encoder, zebrafish=own_vectors(2))
    module = copy.deepcopy(text_encoder)
    with pytest.raises(InvalidRequest):
        encoded(module, "zebrafish", embeddings=shelf.embeddings, clip_skip=99)
    assert torch.equal(encoded(module, "! !"), encoded(text_encoder, "! !"))


def test_each_text_encoder_of_two_takes_its_own_vectors(text_encoder: CLIPTextModel):
    ids = clip_tokenizer()("dog", add_special_tokens=False).input_ids
    other = copy.deepcopy(text_encoder)
    table(other).data.neg_()
    both = Embedding("zebrafish", (table(text_encoder)[ids], table(other)[ids]), "0" * 64)
    info = EmbeddingInfo("zebrafish", Path("z"), 1, 1, (8, 8))
    pair = [sd1(text_encoder), sd1(other)]
    reader = PromptEncoder(pair, SD1_FAMILY, HiddenStates(), embeddings=Embeddings([info], (8, 8), lambda info: both))
    assert torch.equal(vectors_of(reader, "a zebrafish"), vectors_of(PromptEncoder(pair, SD1_FAMILY, HiddenStates()), "a dog"))
