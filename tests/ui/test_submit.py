from webui.core.request import SEED_LIMIT
from webui.jobs.store import JobState
from webui.ui.submit import submit

FORM = {"prompt": "red heart", "width": 128, "height": 128, "steps": 4, "seed": "-1", "checkpoint": "starter", "vae": "Automatic"}


def test_generate_queues_a_job_of_this_page(services):
    answer = submit(services.series, FORM, "page-1")
    job = services.store.get(answer["job"])
    assert (job.state, job.owner, job.request.prompt) == (JobState.QUEUED, "page-1", "red heart")
    assert answer["errors"] == {}


def test_a_seed_of_64_bits_arrives_whole(services):
    answer = submit(services.series, {**FORM, "seed": str(SEED_LIMIT - 1)}, "")
    assert services.store.get(answer["job"]).request.seed == SEED_LIMIT - 1


def test_an_empty_prompt_is_fine(services):
    assert submit(services.series, {**FORM, "prompt": ""}, "")["job"]


def test_bad_input_names_its_field_and_queues_nothing(services):
    answer = submit(services.series, {**FORM, "width": 130, "prompt": "a\0b"}, "")
    assert answer["job"] is None
    assert set(answer["errors"]) == {"width", "prompt"}
    assert services.store.waiting() == []


def test_a_prompt_that_is_too_long_is_told_at_the_prompt(services):
    assert "20,000" in submit(services.series, {**FORM, "prompt": "x" * 50_000}, "")["errors"]["prompt"]


def test_an_unknown_checkpoint_is_told_at_its_field_with_the_nearest(services):
    errors = submit(services.series, {**FORM, "checkpoint": "startre"}, "")["errors"]
    assert "“starter”" in errors["checkpoint"]


def test_a_broken_checkpoint_is_told_at_its_field(services):
    broken = services.settings.models_dir / "Stable-diffusion" / "broken.safetensors"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no model")
    errors = submit(services.series, {**FORM, "checkpoint": "broken"}, "")["errors"]
    assert "broken" in errors["checkpoint"]


def test_a_form_without_a_checkpoint_takes_the_default(services):
    answer = submit(services.series, {**FORM, "checkpoint": None}, "")
    assert services.store.get(answer["job"]).request.checkpoint == "starter"
