from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.generation.pictures import put
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.generation.colours import match_colours
from webui.generation.source_picture import read_source
from webui.storage.sources import SourceStore

RANDOM = np.random.default_rng(5)


@pytest.fixture
def store(tmp_path) -> SourceStore:
    return SourceStore(tmp_path)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8))


def right_half(width: int, height: int) -> Image.Image:
    mask = Image.new("L", (width, height))
    mask.paste(255, (width // 2, 0, width, height))
    return mask


def request(**fields) -> GenerationRequest:
    return GenerationRequest(**{"width": 64, "height": 64, "mask_blur": 0, **fields})


def test_without_a_mask_the_picture_is_brought_to_size_and_nothing_is_kept(store: SourceStore):
    source = read_source(request(source=put(store, noise(100, 50))), store)
    assert source.pixels.shape == (64, 64, 3) and source.mask is None
    made = np.zeros((64, 64, 3), np.uint8)
    assert source.finish(made) is made


def test_what_is_transparent_is_white(store: SourceStore):
    source = read_source(request(source=put(store, Image.new("RGBA", (64, 64), (255, 0, 0, 0)))), store)
    assert (source.pixels == 255).all()


def test_where_latents_are_resized_the_picture_keeps_its_size(store: SourceStore):
    fields = {"resize_mode": "Just resize (latent upscale)", "source": put(store, noise(35, 24))}
    assert read_source(request(**fields), store).pixels.shape == (24, 32, 3)


def test_the_half_that_is_not_masked_comes_back_bit_for_bit(store: SourceStore):
    picture = noise(64, 64)
    fields = {"source": put(store, picture), "mask": put(store, right_half(64, 64)), "mask_blur": 4}
    source = read_source(request(**fields), store)
    result = source.finish(np.zeros((64, 64, 3), np.uint8))
    assert (result[:, :20] == np.asarray(picture)[:, :20]).all() and not result[:, 33:].any()


def test_not_masked_is_the_other_half(store: SourceStore):
    fields = {"source": put(store, noise(64, 64)), "mask": put(store, right_half(64, 64))}
    mask = read_source(request(**fields, mask_mode="Inpaint not masked"), store).mask
    assert mask is not None and mask[:, :32].all() and not mask[:, 32:].any()


def test_a_latent_is_kept_or_made_anew_unless_the_mask_is_soft(store: SourceStore):
    fields = {"source": put(store, noise(64, 64)), "mask": put(store, right_half(64, 64)), "mask_blur": 8}
    source = read_source(request(**fields), store)
    hard, soft = (source.latent_mask(64, 64, soft=soft) for soft in (False, True))
    assert hard is not None and soft is not None and hard.shape == (8, 8)
    assert set(np.unique(hard)) == {0.0, 1.0} and len(np.unique(soft)) > 2


def test_only_masked_makes_the_part_at_full_size_and_puts_it_back(store: SourceStore):
    picture = noise(200, 120)
    mask = Image.new("L", (200, 120))
    mask.paste(255, (100, 40, 120, 60))
    fields = {"source": put(store, picture), "mask": put(store, mask), "inpaint_area": "Only masked", "masked_padding": 8}
    source = read_source(request(**fields), store)
    assert source.pixels.shape == (64, 64, 3) and source.mask is not None and source.mask.shape == (64, 64)
    result = source.finish(np.full((64, 64, 3), 7, np.uint8))
    changed = (result != np.asarray(picture)).any(axis=2)
    assert result.shape == (120, 200, 3) and (result[40:60, 100:120] == 7).all()
    changed[40:60, 100:120] = False
    assert not changed.any()


def test_only_masked_with_an_empty_mask_makes_all_of_it_and_says_so(store: SourceStore):
    fields = {"source": put(store, noise(64, 64)), "mask": put(store, Image.new("L", (64, 64))), "inpaint_area": "Only masked"}
    source = read_source(request(**fields), store)
    assert source.mask is None and "Nothing is masked" in source.notice


def test_fill_hides_what_was_there(store: SourceStore):
    picture = Image.new("RGB", (64, 64), "red")
    picture.paste("blue", (40, 20, 60, 44))
    mask = Image.new("L", (64, 64))
    mask.paste(255, (36, 16, 64, 48))
    fields = {"source": put(store, picture), "mask": put(store, mask)}
    pixels = read_source(request(**fields, masked_content="fill"), store).pixels
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 1
    assert (read_source(request(**fields), store).pixels == np.asarray(picture)).all()


def test_a_picture_that_is_gone_is_named_at_its_field(store: SourceStore):
    digest = put(store, noise(8, 8))
    with pytest.raises(InvalidRequest) as caught:
        read_source(request(source=digest, mask="0" * 64), store)
    assert caught.value.field == "mask"


def test_colour_correction_brings_the_sources_colours_and_keeps_the_results_shapes(store: SourceStore):
    made = np.asarray(noise(64, 64).convert("L").convert("RGB"))
    red = put(store, Image.new("RGB", (64, 64), (200, 60, 60)))
    plain = request(source=red)
    assert read_source(plain, store).finish(made) is made
    result = read_source(replace(plain, colour_correction=True), store).finish(made)
    assert (result[..., 0].mean() - result[..., 2].mean()) > 60


def test_a_picture_with_its_own_colours_stays_as_it_is():
    picture = np.asarray(noise(32, 32))
    assert np.abs(match_colours(picture, picture).astype(int) - picture).max() <= 3


def test_softly_the_result_shows_by_what_changed_and_never_where_nothing_is_masked(store: SourceStore):
    picture = noise(64, 64)
    fields = {"source": put(store, picture), "mask": put(store, right_half(64, 64))}
    source = read_source(request(**fields), store)
    result = source.showing(np.zeros((8, 8), np.float32)).finish(np.zeros((64, 64, 3), np.uint8))
    assert (result == np.asarray(picture)).all()
    result = source.showing(np.ones((8, 8), np.float32)).finish(np.zeros((64, 64, 3), np.uint8))
    assert (result[:, :32] == np.asarray(picture)[:, :32]).all() and not result[:, 32:].any()
