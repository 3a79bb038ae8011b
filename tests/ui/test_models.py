from dataclasses import replace

import pytest

from tests.ui.drawing import a_page
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.ui import models
from webui.ui.blocks import opening_values
from webui.ui.form import Form
from webui.ui.header import checkpoint_answer, choose_checkpoint, use_model

BUNDLED = {"width": 128, "height": 128}


@pytest.fixture
def form() -> Form:
    form = Form("txt2img")
    with a_page():
        for name in params_of(GenerationRequest):
            form.draw(name)
    return form


def given(form, payloads) -> dict:
    """What a handler is given of `payloads`."""
    return {form.components[name]: value for name, value in payloads.items()}


def add_broken(services) -> None:
    broken = services.settings.models_dir / "Stable-diffusion" / "broken.safetensors"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no model")
    services.catalog.refresh()


@pytest.mark.parametrize(
    ("size", "words"), [(24_200_000, "24 MB"), (6_938_000_000, "6.9 GB"), (2_400, "2 kB"), (900, "900 B"), (0, "0 B")]
)
def test_sizes_in_words(size, words):
    assert models.size_in_words(size) == words


def test_a_broken_file_stands_last_with_its_reason(services):
    add_broken(services)
    choices = models.checkpoint_choices(services.catalog)
    assert [name for _, name in choices] == ["starter", "broken"]
    assert choices[0][0].startswith("starter · ")
    assert choices[1][0].startswith("✗ broken: ")


def test_a_checkpoints_label_ends_with_its_short_hash_once_it_is_known(services):
    info = services.catalog.find_checkpoint("starter")
    assert models.checkpoint_choices(services.catalog)[0][0] == "starter · SD 1.x · 25 MB"
    services.catalog.hash_later(info)  # small enough to be hashed at once
    digest = services.catalog.sha256(info)
    assert models.checkpoint_choices(services.catalog)[0][0] == f"starter · SD 1.x · 25 MB · {digest[:10]}"


def test_vaes_begin_with_automatic_and_none(services):
    assert [name for _, name in models.vae_choices(services.catalog)] == ["Automatic", "None"]


def test_a_first_visit_starts_with_the_default_checkpoints_values(services):
    values = opening_values(services, "txt2img", {})
    info = services.catalog.default_checkpoint()
    assert values["checkpoint"] == "starter"
    assert {name: values[name] for name in BUNDLED} == BUNDLED
    assert info.defaults.items() <= values.items()


def test_a_later_visit_starts_with_what_the_browser_held(services):
    stored = {"prompt": "cat", "width": 256, "checkpoint": "gone", "vae": "gone"}
    values = opening_values(services, "txt2img", stored)
    assert values == {"prompt": "cat", "width": 256, "checkpoint": "starter", "vae": "Automatic"}


def test_choosing_a_checkpoint_is_remembered_and_brings_its_values(services, form):
    payloads = {name: component.value for name, component in form.components.items()} | {"checkpoint": "starter"}
    updates = choose_checkpoint(services, [form], given(form, payloads), payloads["checkpoint"])
    assert services.preferences.current.checkpoint == "starter"
    assert updates[form.components["width"]]["value"] == 128


def test_a_model_that_the_script_chooses_is_in_the_list_and_remembered(services, form):
    payloads = {name: component.value for name, component in form.components.items()}
    updates = use_model(services, [form], given(form, payloads), "checkpoint", "starter")
    assert updates[form.components["checkpoint"]]["value"] == "starter"
    assert services.preferences.current.checkpoint == "starter"
    updates = use_model(services, [form], given(form, payloads), "vae", "soft")
    assert updates == {form.components["vae"]: updates[form.components["vae"]]}
    assert services.preferences.current.vae == "soft"
    assert use_model(services, [form], given(form, payloads), "checkpoint", "gone") == {}


def test_choosing_a_broken_file_changes_nothing_and_says_why(services, form):
    add_broken(services)
    payloads = {name: component.value for name, component in form.components.items()} | {"checkpoint": "broken"}
    assert choose_checkpoint(services, [form], given(form, payloads), payloads["checkpoint"]) == {}
    assert services.preferences.current.checkpoint is None
    answer = checkpoint_answer(services, [form], "broken")
    assert answer["note"] == ""
    assert answer["problem"].startswith("broken.safetensors is too short")
    assert answer["shapes"] is None and answer["fresh"] is None  # the page keeps those of the checkpoint before


def test_the_page_is_told_what_each_form_begins_with_under_a_checkpoint(services, form):
    services.form_defaults.set("txt2img", {"steps": 7})
    fresh = checkpoint_answer(services, [form], "starter")["fresh"]
    assert list(fresh) == ["txt2img"]
    assert fresh["txt2img"].items() >= {**BUNDLED, "steps": 7}.items()


def test_shapes_are_offered_that_the_checkpoint_can_draw(services, monkeypatch: pytest.MonkeyPatch):
    starter = models.find(services.catalog, "starter")
    assert starter is not None
    assert checkpoint_answer(services, [], "starter")["shapes"] == {"square": (128, 128)}
    other = replace(starter, own_size_only=False)
    monkeypatch.setattr(models, "find", lambda *_: other)
    assert set(checkpoint_answer(services, [], "starter")["shapes"]) == {"square", "portrait", "landscape"}


def test_a_pickled_file_is_refused_in_the_words_of_the_catalogue(services):
    folder = services.settings.models_dir / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "old.ckpt").write_bytes(b"PK\3\4")
    services.catalog.refresh()
    assert models.problem(services.catalog, "old").startswith("old.ckpt is no PyTorch file of a kind that is read")
    assert models.problem(services.catalog, "starter") == ""
    assert models.problem(services.catalog, "gone") == ""


def test_the_bundled_models_size_is_not_left_to_the_next_model(services):
    small = services.catalog.find_checkpoint("starter")
    large = replace(small, name="large", defaults={}, width=512, height=512, bundled=False)
    untouched = models.suited_values(small)
    assert models.values_on_choice(large, small, untouched)["width"] == 512
    assert "width" not in models.values_on_choice(large, small, {**untouched, "width": 640})


def test_the_bundled_model_is_introduced(services):
    assert "128×128" in models.note(services.catalog.default_checkpoint())
    assert models.note(services.catalog.default_checkpoint()).endswith(
        "Real ones are in the {models}."
    )  # made a link by the script
    assert models.note(replace(services.catalog.default_checkpoint(), bundled=False)) == ""
