import json

import pytest

from webui.ui import blocks, options
from webui.ui.form import FIELDS
from webui.ui.head import describe_field, head
from webui.ui.layout import EXTRA

#: Parts that txt2img has no controls for.
NOT_IN_TXT2IMG = ("source", "mask", "soft", "hires", "outpaint")


def test_every_field_of_the_groups_stands_in_the_accordion_behind_extra_or_in_the_header():
    grouped = [name for name, spec in FIELDS.items() if spec.param.group not in ("", *NOT_IN_TXT2IMG)]
    assert sorted([*options.OPTIONS, *EXTRA, "clip_skip"]) == sorted(grouped)


def test_reset_gives_each_option_its_default_without_asking_the_server(services):
    with blocks.running_loop():
        page = blocks.build(services)
    ids = {block.elem_id: number for number, block in page.blocks.items() if getattr(block, "elem_id", None)}
    pressed = (ids["txt2img_options_reset"], "click")
    [reset] = [event.get_config() for event in page.fns.values() if pressed in event.targets]
    values = json.loads(reset["js"].removeprefix("() => "))
    assert reset["outputs"] == [ids[f"txt2img_{name}"] for name in options.OPTIONS]
    assert dict(zip(options.OPTIONS, values, strict=True)) == {name: FIELDS[name].default for name in options.OPTIONS}
    assert reset["backend_fn"] is False


@pytest.mark.parametrize(
    ("name", "short"),
    [("ngms", "NGMS"), ("noise_source", "RNG"), ("eta", "Eta"), ("zero_terminal_snr", "Zero Terminal SNR")],
)
def test_a_closed_accordion_names_options_by_their_short_words(name, short):
    assert describe_field(FIELDS[name])["short"] == short


def test_the_script_knows_defaults_seeds_as_text_and_what_an_option_needs():
    config = json.loads(head().split("periplusConfig = ")[1].split(";</script>")[0])
    assert config["fields"]["variation_seed"]["default"] == "-1"
    assert config["fields"]["eta"]["default"] is None
    assert config["fields"]["seed_resize_width"]["multiple_of"] == 8
    assert config["fields"]["unipc_order"]["needs"] == {"sampler": ["UniPC"]}
    assert config["fields"]["mask_mode"]["choices"]["Inpaint not masked"] == "Inpaint not masked"
    assert config["fields"]["sampler"]["choices"] == {}  # names, which extensions add to
    assert config["options"] == list(options.OPTIONS)
    assert config["extra"] == list(EXTRA)
