"""Where the pictures of jobs go: never outside their folder, never over another, and told apart from each other."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from webui.core.request import GenerationRequest
from webui.core.styles import Style
from webui.jobs.naming import archive_facts, archive_name, facts_of, folder_of, name_of
from webui.jobs.store import Job, JobState
from webui.storage.preferences import Preferences

ROOT = Path("/pictures")


def job(**fields) -> Job:
    request = GenerationRequest(**{"seed": 5, "vae": "None", "checkpoint": "a/b", **fields})
    return Job("a", request, JobState.RUNNING, "", 0.0)


@given(
    st.text(max_size=80).filter(lambda text: "\0" not in text),
    st.sampled_from(["[prompt]", "x/[prompt_spaces]", "[prompt_words]"]),
)
def test_no_prompt_leads_out_of_the_folder(prompt, pattern):
    facts = facts_of(job(prompt=prompt.encode("utf-8", "ignore").decode()), 0)
    folder = folder_of(ROOT, facts, Preferences(directories_filename_pattern=pattern))
    assert folder.is_relative_to(ROOT)
    name = name_of(facts, Preferences(samples_filename_pattern="[prompt]"), ROOT, subdirectory=True)
    assert (folder / f"{name or 'x'}.png").parent == folder


def test_without_a_pattern_names_are_those_of_the_peers():
    facts = facts_of(job(prompt="red heart"), 0)
    assert name_of(facts, Preferences(), ROOT, subdirectory=True) == "5"
    assert name_of(facts, Preferences(), ROOT, subdirectory=False) == "5-red heart"


def test_each_picture_knows_its_place_in_batch_and_job():
    facts = facts_of(job(batch_size=2, batch_count=2), 3)
    assert (facts.request.seed, list(facts.seeds), facts.position, facts.number) == (8, [7, 8], 2, 4)
    assert (
        archive_name(archive_facts(job(batch_count=4), [1, 2]), Preferences(grid_zip_filename_pattern="[seed]-[seed_last]"))
        == "6-7"
    )


def test_styles_in_the_prompt_are_named_and_left_out():
    facts = facts_of(job(prompt="cat, oil on canvas"), 0, lambda: [Style("Oil", "oil on canvas"), Style("Ink", "ink")])
    chosen = Preferences(samples_filename_pattern="[styles] [prompt_no_styles]")
    assert name_of(facts, chosen, ROOT, subdirectory=True) == "Oil cat"
