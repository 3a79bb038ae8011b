import pytest

from tests.checkpoints.embeddings import rows, write_safetensors
from tests.library.stub_loras import add_lora
from webui.checkpoints.text_widths import text_widths
from webui.ui.counting import count, count_both, embeddings_for


@pytest.mark.parametrize(
    ("text", "used", "limit"),
    [
        ("", 0, 75),
        ("a cat", 2, 75),
        ("(a:1.3) [cat]", 2, 75),
        ("cat, " * 40, 80, 150),
        ("a [cat:big red dog:0.5]", 4, 75),  # the longest text of the schedule
        ("a cat # and a comment", 2, 75),
        ("cat BREAK dog", 76, 150),
    ],
)
def test_the_counter_counts_what_the_engine_reads(text, used, limit):
    counted = count(text)
    assert (counted["used"], counted["limit"], counted["problem"]) == (used, limit, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a (cat", "( at character 3 is never closed"),
        ("a cat]", "] at character 6 was never opened"),
        ("a {cat, (red)", "{ at character 3 is never closed"),
        (r"a \(cat", ""),
        ("a cat # :(", ""),
        ("# :(\n(cat", "( at character 6 is never closed"),
        ("((a:1.2) cat)", ""),
    ],
)
def test_a_bracket_without_a_partner_is_told_with_its_place(text, words):
    counted = count(text)
    assert counted["problem"] == words
    assert counted["at"] == (int(words.split()[3]) - 1 if words else None)


@pytest.mark.parametrize("text", ["x" * 20_001, "a\0b", "half \ud800", None])
def test_a_text_that_can_be_no_prompt_has_a_reason_instead_of_a_number(text):
    counted = count(text)
    assert counted["used"] is None
    assert counted["problem"].startswith("Prompt")


def test_networks_in_the_negative_prompt_are_explained():
    assert "prompt only" in count("bad <lora:x:1>", negative=True)["warning"]
    assert count("good <lora:x:1>")["warning"] == ""
    assert count("good <lora:x:1>")["used"] == 1


def test_embeddings_of_the_chosen_checkpoint_count_as_many_as_they_have_vectors(services):
    folder = services.settings.data_dir / "embeddings"
    folder.mkdir()
    checkpoint = services.catalog.find_checkpoint("starter")
    (width,) = text_widths(checkpoint)
    write_safetensors(folder / "zebrafish.safetensors", rows(7, width))
    write_safetensors(folder / "mudskipper.safetensors", rows(9, width + 1))
    words = embeddings_for(services, "starter")
    assert count("a Zebrafish", words=words)["used"] == 8
    assert count("a mudskipper", words=words)["used"] == count("a mudskipper")["used"]
    assert count_both("", "zebrafish", 20, "Euler", "Original", words)["negative_prompt"]["used"] == 7


def test_embeddings_in_a_lora_count_while_the_prompt_names_it(services):
    (width,) = text_widths(services.catalog.find_checkpoint("starter"))
    add_lora(services.settings, "carrying", width=width, word="antidisestablishmentarianism")
    prompts = ("antidisestablishmentarianism", "antidisestablishmentarianism <lora:carrying:1>")
    plain, carried = (count(prompt, words=embeddings_for(services, "starter", prompt))["used"] for prompt in prompts)
    assert carried == 1 < plain


@pytest.mark.parametrize("checkpoint", [None, "gone", 5])
def test_without_a_checkpoint_no_embedding_counts(services, checkpoint):
    assert embeddings_for(services, checkpoint).at([1], 0) is None


def test_both_prompts_are_counted_by_field_name():
    both = count_both("a cat", "dog", 20, "Euler", "Original")
    assert {name: counted["used"] for name, counted in both.items()} == {"prompt": 2, "negative_prompt": 1}


@pytest.mark.parametrize("rest", [(None, None, None), ("many", "Eulre", "Loud"), (10**9, 3, [])])
def test_a_form_that_cannot_be_used_yet_is_counted_with_defaults(rest):
    assert count_both("a [cat|dog]", "", *rest)["prompt"]["used"] == 2
