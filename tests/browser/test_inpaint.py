"""A part made anew: what was not masked comes back to the bit."""

from __future__ import annotations

import io

from PIL import Image

from tests.browser.easel import Easel
from tests.browser.page import Studio
from tests.browser.test_img2img import fill, generate, result


def test_with_the_right_half_masked_the_left_half_stays_to_the_bit(studio: Studio, app, tmp_path):
    path = tmp_path / "source.png"
    source = Image.effect_noise((128, 128), 90).convert("RGB")
    source.paste((200, 40, 40), (30, 30, 98, 98))
    source.save(path)
    easel = Easel(studio, "inpaint").show()
    easel.choose(path)
    easel.set(size=4)
    easel.stroke((66, -3), (66, 131))
    easel.tool("fill")
    easel.stroke((100, 60))
    assert easel.drawn().getbbox() == (64, 0, 128, 128)
    fill(studio, prompt="blue circle", mask_blur="0", seed="4", steps="6")
    job_id = generate(studio)
    made = result(app, job_id)
    left, right = (0, 0, 64, 128), (64, 0, 128, 128)
    assert made.crop(left).tobytes() == source.crop(left).tobytes()
    assert made.crop(right).tobytes() != source.crop(right).tobytes()
    mask = app.job(job_id)["request"]["mask"]
    kept = Image.open(io.BytesIO(app.http.get(f"/api/v1/sources/{mask}.png").content))
    assert kept.convert("L").tobytes() == easel.drawn().tobytes()
