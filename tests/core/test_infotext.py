import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core import infotext
from webui.core.fields.hires import HiresFields
from webui.core.fields.outpaint import OutpaintFields
from webui.core.fields.source import SourceFields
from webui.core.params import params_of
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS

LABELLED = [spec for spec in params_of(GenerationRequest).values() if spec.param.infotext]


def back(text: str) -> GenerationRequest:
    restored = infotext.restore(infotext.parse(text))
    assert restored.problems == []
    return GenerationRequest(**restored.values)


def test_the_form_is_that_of_the_peers():
    request = GenerationRequest(
        prompt="red heart,\nbig", negative_prompt="blue", checkpoint="model", sampler="Euler a", seed=1, width=640, height=512
    )
    assert infotext.format(request, {"Model hash": "0123456789", "RNG": "CPU"}, version="v1") == (
        "red heart,\nbig\nNegative prompt: blue\n"
        "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 640x512, "
        "Model hash: 0123456789, Model: model, RNG: CPU, Version: v1"
    )


def test_an_empty_prompt_and_negative_prompt_leave_no_line():
    assert infotext.format(GenerationRequest(seed=1)).startswith("Steps: 20, ")


def test_unknown_facts_follow_in_order_and_version_and_user_come_last():
    text = infotext.format(GenerationRequest(seed=1), {"User": "me", "B": 2, "A": 1, "Gone": None}, version="v")
    assert text.endswith("Size: 512x512, RNG: CPU, B: 2, A: 1, Version: v, User: me")


@pytest.mark.parametrize("value", ["a, b", "a: b", "two\nlines", 'say "hi"', "naïve, 猫"])
def test_values_with_separators_are_quoted_as_json_and_come_back(value):
    text = infotext.format(GenerationRequest(seed=1, checkpoint=value))
    assert f"Model: {json.dumps(value, ensure_ascii=False)}" in text
    assert back(text).checkpoint == value


def test_a_key_equal_to_its_value_is_written_once():
    assert ", Tag, " in infotext.format(GenerationRequest(seed=1), {"Tag": "Tag"})


@pytest.mark.parametrize("value", ["Model", "2x4", " model", '"', "a\\", ""])
def test_a_name_that_looks_like_something_else_comes_back(value):
    request = GenerationRequest(seed=1, checkpoint=value, vae="VAE", hires=True, hires_upscaler="4x4")
    assert back(infotext.format(request)) == request


def sample(spec) -> object:
    """A value that is not the field's default."""
    low = spec.param.low or 0
    values = {
        str: (*reversed(spec.param.choices), "name, with comma"),
        bool: (True, False),
        int: (low + 8, low),
        float: (0.5, 1.5, 5.5),
    }
    fits = (value for value in values[spec.kind] if spec.param.high is None or low <= value <= spec.param.high)
    return next(value for value in fits if value != spec.default)


IMG2IMG: dict[str, object] = {"source": "a" * 64}
INPAINT = {**IMG2IMG, "mask": "b" * 64}

#: What else a request needs for the field to have an effect.
NEEDED: dict[str, dict[str, object]] = {
    "vae": {},
    "variation_seed": {"variation_strength": 0.5},
    "variation_strength": {"variation_seed": 3},
    "seed_resize_width": {"seed_resize_height": 64},
    "seed_resize_height": {"seed_resize_width": 64},
    "eta_noise_seed_delta": {"sampler": "Euler a"},
    "emphasis": {"prompt": "(cat)"},
    "old_prompt_editing": {"prompt": "[cat:dog:1.0]"},
    "eta": {"sampler": "Euler a"},
    "sigma_churn": {"sampler": "Euler"},
    "sigma_tmin": {"sampler": "Euler"},
    "sigma_tmax": {"sampler": "Euler"},
    "ngms_all_steps": {"ngms": 1.0},
    "beta_alpha": {"scheduler": "Beta"},
    "beta_beta": {"scheduler": "Beta"},
    "denoising_strength": IMG2IMG,
    **{name: IMG2IMG for name, spec in params_of(SourceFields).items() if spec.param.group == "source" and spec.param.infotext},
    **{name: INPAINT for name, spec in params_of(SourceFields).items() if spec.param.group == "mask"},
    **{
        name: {**INPAINT, "soft_inpainting": True} for name, spec in params_of(SourceFields).items() if spec.param.group == "soft"
    },
    **{name: {"hires": True} for name in params_of(HiresFields) if name != "hires"},
    **{name: {**IMG2IMG, "outpaint_up": 8} for name in params_of(OutpaintFields)},
    **{name: {"sampler": "UniPC"} for name in ("unipc_variant", "unipc_skip_type", "unipc_order", "unipc_lower_order_final")},
}


@pytest.mark.parametrize("spec", LABELLED, ids=lambda spec: spec.name)
def test_every_field_with_an_infotext_key_comes_back(spec):
    request = GenerationRequest.from_dict({"seed": 5, **NEEDED.get(spec.name, {}), spec.name: sample(spec)})
    told = back(infotext.format(request))
    assert replace(told, source=request.source, mask=request.mask) == request


def test_all_that_decides_on_a_picture_of_a_picture_is_written():
    groups = (SourceFields, OutpaintFields, HiresFields)
    silent = {name for group in groups for name, spec in params_of(group).items() if not spec.param.infotext}
    assert silent == {"source", "mask", "hires", "hires_source"}  # pictures, and what an upscaler's name tells


@pytest.mark.parametrize("name", [name for name, needed in NEEDED.items() if needed])
def test_a_field_without_effect_is_not_written(name):
    spec = params_of(GenerationRequest)[name]
    key = str(spec.param.infotext).removesuffix("-1").removesuffix("-2")
    fields = {"seed": 5, "sampler": "DPM++ 2M", name: sample(spec)}
    if name == "variation_strength":
        fields[name] = 0.0
    assert f", {key}: " not in infotext.format(GenerationRequest.from_dict(fields))


def test_ddims_eta_has_a_key_of_its_own():
    request = GenerationRequest(seed=1, sampler="DDIM", eta=0.5)
    assert "Eta DDIM: 0.5" in infotext.format(request)
    assert back(infotext.format(request)) == request


def test_zero_terminal_snr_is_written_as_the_peers_write_it():
    request = GenerationRequest(seed=1, zero_terminal_snr=True)
    assert "Noise Schedule: Zero Terminal SNR" in infotext.format(request)
    assert back(infotext.format(request)) == request


def test_what_is_left_out_is_put_back_to_its_default_and_noise_to_the_gpus():
    values = infotext.restore(infotext.parse("cat\nSteps: 9, Sampler: Euler, Seed: 1")).values
    assert values["clip_skip"] == 1
    assert values["emphasis"] == "Original"
    assert values["variation_strength"] == 0.0
    assert values["noise_source"] == "GPU"
    assert "checkpoint" not in values


@pytest.mark.parametrize(
    ("rule", "told", "switched_on"),
    [
        ('< 1.6.0 and "[" in prompt: Old prompt editing timelines', "[a:b:1.0]|Euler|v1.5.2", {"old_prompt_editing"}),
        ('< 1.6.0 and "[" in prompt: Old prompt editing timelines', "a|Euler|v1.5.2", set()),
        ("< 1.6.0 and DDIM/PLMS: Pad conds v0", "a|DDIM|1.5.2", {"pad_conds_v0"}),
        ("< 1.6.0 and DDIM/PLMS: Pad conds v0", "a|PLMS|v1.3.0-72-gabcdef", {"pad_conds_v0"}),
        ("< 1.6.0 and DDIM/PLMS: Pad conds v0", "a|UniPC|v1.5.2", set()),
        ("1.6.0 has the new rules", "[a:b:1.0]|DDIM|v1.6.0", set()),
        ("< 1.7.0-225: Downcast alphas_cumprod", "a|Euler|v1.7.0-224-gabcdef", set()),
    ],
)
def test_older_versions_are_read_by_their_own_rules(rule, told, switched_on):
    prompt, sampler, version = told.split("|")
    assert switched(prompt, sampler, version) == switched_on | {"downcast_alphas"}, rule


@pytest.mark.parametrize(
    "version", ["v1.7.0-225-gabcdef", "v1.8.0", "v1.10.1", "f2.0.1v1.10.1-previous-1", "Periplus 0.1.0", "ComfyUI"]
)
def test_newer_and_other_versions_have_no_rules_of_their_own(version):
    assert switched("[a:b:1.0]", "DDIM", version) == set()


def test_no_version_means_nothing():
    assert switched("[a:b:1.0]", "DDIM", None) == set()


def test_what_is_written_goes_before_the_rules_of_the_version():
    told = "cat\nSteps: 9, Sampler: Euler, Seed: 1, Downcast alphas_cumprod: False, Version: v1.6.0"
    assert infotext.restore(infotext.parse(told)).values["downcast_alphas"] is False


def switched(prompt: str, sampler: str, version: str | None) -> set[str]:
    """The options that reading a picture of that version switches on."""
    told = f"{prompt}\nSteps: 9, Sampler: {sampler}, Seed: 1" + (f", Version: {version}" if version else "")
    values = infotext.restore(infotext.parse(told)).values
    return {name for name in ("old_prompt_editing", "pad_conds", "pad_conds_v0", "downcast_alphas") if values[name]}


CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
LINES = st.lists(st.text(CHARACTERS, max_size=20).map(lambda line: line.replace("\r", "").replace("\n", "")), max_size=3)
PROMPTS = LINES.map("\n".join).map(str.strip).filter(lambda text: "Negative prompt:" not in text)


@given(
    prompt=PROMPTS,
    negative=PROMPTS,
    checkpoint=st.none() | st.text(CHARACTERS, min_size=1).map(str.strip).filter(bool),
    seed=st.integers(0, SEED_LIMIT - 1),
    steps=st.integers(1, 150),
    width=st.integers(8, 256).map(lambda n: n * 8),
    guidance_scale=st.floats(1, 30),
    sampler=st.sampled_from(SAMPLER_NAMES),
    scheduler=st.sampled_from(SCHEDULER_LABELS),
)
def test_a_request_comes_back_from_its_infotext(prompt, negative, checkpoint, **fields):
    request = GenerationRequest(prompt=prompt, negative_prompt=negative, checkpoint=checkpoint, **fields)
    assert back(infotext.format(request)) == request


def allowed(spec) -> st.SearchStrategy:
    """Any value that a field takes."""
    low, high = spec.param.low, spec.param.high
    if spec.param.choices:
        return st.sampled_from(spec.param.choices)
    if spec.kind is bool:
        return st.booleans()
    if spec.kind is float:
        values = st.floats(low, high)
    else:
        raster = spec.param.multiple_of or 1
        values = st.integers(-(-low // raster), high // raster).map(lambda count: count * raster)
    return st.none() | values if spec.optional else values


#: Every field that shapes sampling, noise or the reading of prompts.
OPTIONS = {
    name: allowed(spec)
    for name, spec in params_of(GenerationRequest).items()
    if spec.param.group in ("sampling", "seed", "prompt") or name in ("sampler", "scheduler", "seed", "steps", "guidance_scale")
}


@settings(max_examples=100)
@given(fields=st.fixed_dictionaries(OPTIONS), prompt=st.sampled_from(["cat", "(cat:1.2)", "[cat:dog:1.0]"]))
def test_all_options_together_come_back_where_they_count_and_are_left_out_where_not(fields, prompt):
    request = GenerationRequest(**{**fields, "prompt": prompt})
    text = infotext.format(request)
    told = back(text)
    assert infotext.format(told) == text
    written = infotext.parse(text).settings
    for name in fields:
        spec = params_of(GenerationRequest)[name]
        key = "Eta DDIM" if name == "eta" and request.sampler.startswith("DDIM") else spec.param.infotext
        expected = getattr(request, name) if key in written else spec.default if not spec.param.always else "GPU"
        assert getattr(told, name) == expected, name


@given(st.text(max_size=300))
def test_any_text_is_parsed_and_restored_without_error(text):
    infotext.restore(infotext.parse(text))


def test_the_last_line_is_settings_only_with_three_entries():
    assert infotext.parse("a\nSteps: 20, Sampler: Euler") == infotext.Infotext("a\nSteps: 20, Sampler: Euler", "", {})
    assert infotext.parse("a\nSteps: 20, Sampler: Euler, Seed: 1").settings["Seed"] == "1"


def test_everything_after_negative_prompt_belongs_to_it():
    parsed = infotext.parse("one\ntwo\nNegative prompt: three\nfour\nSteps: 1, Sampler: Euler, Seed: 1")
    assert (parsed.prompt, parsed.negative_prompt) == ("one\ntwo", "three\nfour")


def test_a_size_becomes_two_entries():
    settings = infotext.parse("Steps: 1, Size: 640x512, Seed: 1").settings
    assert (settings["Size-1"], settings["Size-2"]) == ("640", "512")


def test_older_sampler_names_are_split_into_sampler_and_schedule():
    values = infotext.restore(infotext.parse("Steps: 1, Sampler: Euler a Karras, Seed: 1")).values
    assert (values["sampler"], values["scheduler"]) == ("Euler a", "Karras")


def test_what_no_field_takes_is_named_and_what_changes_nothing_is_not():
    restored = infotext.restore(
        infotext.parse("cat\nSteps: 9, Seed: 1, Hypertile U-Net: True, RNG: CPU, Tiling: False, Version: v1.9")
    )
    assert restored.unused == {"Hypertile U-Net": "True"}


def test_values_out_of_range_are_problems_in_words_and_the_rest_is_restored():
    restored = infotext.restore(infotext.parse("cat\nSteps: 900, Sampler: Magic, Seed: x, Size: 500x512, CFG scale: 5"))
    assert restored.values.get("guidance_scale") == 5.0
    assert restored.values.get("height") == 512
    assert {"steps", "sampler", "seed", "width"}.isdisjoint(restored.values)
    assert len(restored.problems) == 4
    assert any("Sampling steps is 900" in problem for problem in restored.problems)


def test_hashes_are_handed_on_for_the_look_up():
    restored = infotext.restore(infotext.parse("Steps: 9, Model hash: abc, VAE hash: def, Model: m"))
    assert (restored.checkpoint_hash, restored.vae_hash) == ("abc", "def")


def test_no_vae_entry_means_automatic():
    assert infotext.restore(infotext.parse("Steps: 9, Seed: 1, Model: m")).values["vae"] == "Automatic"


def test_a_seed_of_64_bits_keeps_every_digit():
    assert infotext.restore(infotext.parse(f"Steps: 9, Sampler: Euler, Seed: {SEED_LIMIT - 1}")).values["seed"] == SEED_LIMIT - 1


def test_a_hires_pass_is_told_by_denoising_strength_and_an_upscaler():
    told = (
        "cat\nSteps: 9, Sampler: Euler, Seed: 1, Size: 64x64, Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent"
    )
    values = infotext.restore(infotext.parse(told)).values
    assert values["hires"] is True and values["hires_scale"] == 1.5 and values["denoising_strength"] == 0.4
    assert infotext.restore(infotext.parse("cat\nSteps: 9, Sampler: Euler, Denoising strength: 0.4")).values["hires"] is False
    assert infotext.restore(infotext.parse("cat\nSteps: 9, Sampler: Euler, Seed: 1")).values["hires"] is False


def test_a_hires_size_goes_before_its_scale_and_may_have_one_side():
    request = GenerationRequest(seed=1, hires=True, hires_width=1024)
    text = infotext.format(request)
    assert "Hires resize: 1024x0" in text and "Hires upscale:" not in text
    assert back(text) == request


def test_denoising_strength_is_written_only_where_something_is_denoised():
    assert "Denoising strength" not in infotext.format(GenerationRequest(seed=1))
    assert "Denoising strength: 0.75" in infotext.format(GenerationRequest(seed=1, hires=True))
    assert "Denoising strength: 0.75" in infotext.format(GenerationRequest(seed=1, source="a" * 64))


def test_an_empty_hires_size_of_older_files_means_nothing():
    restored = infotext.restore(infotext.parse("cat\nSteps: 9, Sampler: Euler, Seed: 1, Hires resize: 0x0"))
    assert restored.unused == {} and restored.values["hires"] is False


def test_entries_of_additional_networks_become_tags():
    entries = "AddNet Enabled: True, AddNet Module 1: LoRA, AddNet Model 1: ink(0a1b2c3d4e5f), AddNet Weight A 1: 0.8"
    more = "AddNet Module 2: LoRA, AddNet Model 2: oil(5f4e3d2c1b0a), AddNet Weight A 2: 0.5, AddNet Weight B 2: 0"
    restored = infotext.restore(infotext.parse(f"a cat\nSteps: 4, Sampler: Euler, Seed: 1, {entries}, {more}"))
    assert restored.values["prompt"] == "a cat\n<lora:ink:0.8><lora:oil:0:0.5>"
    assert restored.unused == {}
    off = infotext.restore(infotext.parse(f"a cat\nSteps: 4, Sampler: Euler, Seed: 1, {entries}".replace("True", "False")))
    assert off.values["prompt"] == "a cat"


def test_the_hypernetwork_of_old_settings_becomes_a_tag():
    told = "Hypernet: anime style(0a1b2c3d), Hypernet hash: 0a1b2c3d, Hypernet strength: 0.8"
    restored = infotext.restore(infotext.parse(f"a cat\nSteps: 4, Sampler: Euler, Seed: 1, {told}"))
    assert restored.values["prompt"] == "a cat\n<hypernet:anime style:0.8>" and restored.unused == {}
    whole = infotext.restore(infotext.parse("a cat\nSteps: 4, Sampler: Euler, Seed: 1, Hypernet: anime"))
    assert whole.values["prompt"] == "a cat\n<hypernet:anime:1>"
    none = infotext.restore(infotext.parse("a cat\nSteps: 4, Sampler: Euler, Seed: 1, Hypernet: None"))
    assert none.values["prompt"] == "a cat" and none.unused == {}
