import pytest

from webui.ui import img2img
from webui.ui.form import FIELDS


@pytest.mark.parametrize(
    ("source", "script", "refused"),
    [
        ("", "", {"source"}),
        (None, '{"script": "Loopback"}', {"source"}),
        ("ab", "", set()),
        ("", '{"script": "Batch", "folder": "x"}', set()),
    ],
)
def test_without_a_picture_nothing_is_queued_but_a_batch(source, script, refused):
    assert set(img2img.check({"source": source}, script)) == refused


def test_an_accordion_tells_only_of_fields_that_there_are():
    assert all(name in FIELDS for names in img2img.accordions().values() for name in names)
    assert {name for name, spec in FIELDS.items() if spec.param.group == "outpaint"} == set(
        img2img.accordions()["img2img_outpaint"]
    )
