"""What becomes of pictures in the tab Extras, from their files to the results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.generation.pictures import put
from tests.plugins.writing import write_extension
from tests.upscaling.models import write_upscaler
from webui.checkpoints.catalog import Catalog
from webui.core.postprocessing import SCALE_TO, ExtrasRequest, ExtrasSource
from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen, Event, Finished, ImageDone, Notice, Progress, Run
from webui.errors import InvalidRequest
from webui.generation.cutting import best_place, interest_of
from webui.generation.runner import Runner
from webui.plugins.loader import PluginManager
from webui.storage.sources import SourceStore
from webui.upscaling.enlarging import TileOptions
from webui.upscaling.files import UpscalerFiles


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, sources: SourceStore) -> Runner:
    folder = tmp_path_factory.mktemp("ESRGAN")
    write_upscaler(folder / "2x.safetensors", scale=2)
    return Runner(Catalog((), ()), "cpu", sources=sources, upscalers=UpscalerFiles([folder]))


def noise(width: int = 64, height: int = 48, mode: str = "RGB", seed: int = 0) -> Image.Image:
    bands = len(mode)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8))


def kept(sources: SourceStore, *pictures: Image.Image) -> tuple[ExtrasSource, ...]:
    return tuple(ExtrasSource(digest=put(sources, picture), width=picture.width, height=picture.height) for picture in pictures)


def run(
    runner: Runner, request: ExtrasRequest, done: frozenset[int] = frozenset(), when: CancelWhen | None = None
) -> list[Event]:
    events: list[Event] = []
    control = runner.new_control()

    def emit(event: Event) -> None:
        events.append(event)
        if when and isinstance(event, Progress):
            control.cancel(when)

    runner.run(Run("job", GenerationRequest(), done, extras=request), emit, control)
    return events


def results(runner: Runner, request: ExtrasRequest) -> list[Image.Image]:
    return [picture_of(event) for event in run(runner, request) if isinstance(event, ImageDone)]


def picture_of(event: ImageDone) -> Image.Image:
    mode = "RGBA" if len(event.pixels) == 4 * event.width * event.height else "RGB"
    return Image.frombytes(mode, (event.width, event.height), event.pixels)


def test_each_source_is_enlarged_and_told_in_order(runner: Runner, sources: SourceStore):
    events = run(runner, ExtrasRequest(sources=kept(sources, noise(), noise(32, 32)), upscaler_1="2x", upscale_by=2))
    made = [event for event in events if isinstance(event, ImageDone)]
    assert [(event.index, event.width, event.height) for event in made] == [(0, 128, 96), (1, 64, 64)]
    assert events[-1] == Finished("job")
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.fraction for event in progress] == sorted(event.fraction for event in progress)
    assert progress[-1].fraction == 1 and progress[-1].images == 2


def test_two_upscalers_are_mixed_by_the_visibility_of_the_second(runner: Runner, sources: SourceStore):
    source = kept(sources, noise())

    def made(**values) -> np.ndarray:
        return np.asarray(results(runner, ExtrasRequest(sources=source, upscale_by=2, **values))[0], float)

    one, two = made(upscaler_1="Lanczos"), made(upscaler_1="Nearest")
    mixed = made(upscaler_1="Lanczos", upscaler_2="Nearest", upscaler_2_visibility=0.25)
    assert np.abs(mixed - (one * 0.75 + two * 0.25)).max() <= 1


def test_scale_to_fits_the_box_and_crops_the_middle(runner: Runner, sources: SourceStore):
    source = kept(sources, noise(64, 48))
    box = {"resize_mode": SCALE_TO, "upscale_width": 96, "upscale_height": 96, "upscaler_1": "Lanczos", "sources": source}
    [covering] = results(runner, ExtrasRequest(**box, crop=False))
    [cut] = results(runner, ExtrasRequest(**box))
    assert covering.size == (128, 96) and cut.size == (96, 96)
    assert cut.tobytes() == covering.crop((16, 0, 112, 96)).tobytes()


def test_transparency_is_kept(runner: Runner, sources: SourceStore):
    picture = noise(mode="RGBA")
    [same] = results(runner, ExtrasRequest(sources=kept(sources, picture)))
    [larger] = results(runner, ExtrasRequest(sources=kept(sources, picture), upscaler_1="2x", upscale_by=2))
    assert same.tobytes() == picture.tobytes()
    assert larger.mode == "RGBA" and larger.size == (128, 96)


def test_flipped_copies_follow_the_picture(runner: Runner, sources: SourceStore):
    picture = noise()
    made = results(
        runner, ExtrasRequest(sources=kept(sources, picture), flip_horizontal=True, flip_vertical=True, flip_both=True)
    )
    wanted = [picture, *(picture.transpose(how) for how in (Image.Transpose(0), Image.Transpose(1), Image.Transpose.ROTATE_180))]
    assert [each.tobytes() for each in made] == [each.tobytes() for each in wanted]


@pytest.mark.parametrize("size", [(64, 200), (200, 64)])
def test_a_long_picture_is_split_into_pieces_of_the_box_that_cover_it(
    runner: Runner, sources: SourceStore, size: tuple[int, int]
):
    picture = noise(*size)
    made = results(
        runner,
        ExtrasRequest(sources=kept(sources, picture), resize_mode=SCALE_TO, upscale_width=64, upscale_height=64, split=True),
    )
    assert len(made) == 4 and {piece.size for piece in made} == {(64, 64)}
    left, top = (0, 136) if size[1] > 64 else (136, 0)
    assert made[0].tobytes() == picture.crop((0, 0, 64, 64)).tobytes()
    assert made[-1].tobytes() == picture.crop((left, top, left + 64, top + 64)).tobytes()


def test_the_focal_crop_keeps_the_part_with_most_in_it(runner: Runner, sources: SourceStore):
    picture = Image.new("RGB", (256, 64), "grey")
    picture.paste(noise(48, 48), (200, 8))
    box = {"resize_mode": SCALE_TO, "upscale_width": 64, "upscale_height": 64, "sources": kept(sources, picture)}
    [focal] = results(runner, ExtrasRequest(**box, focal_crop=True))
    assert np.asarray(focal, float).std() > 40
    [middle] = results(runner, ExtrasRequest(**box, upscaler_1="Lanczos"))
    assert np.asarray(middle, float).std() < 1


def test_where_nothing_is_to_be_seen_the_middle_is_kept():
    assert best_place(interest_of(Image.new("RGB", (100, 40)), 0.5, 0.5).sum(axis=0), 100, 40) == 30


def test_a_picture_gets_the_size_for_training_that_suits_it_and_one_that_none_suits_is_told(runner: Runner, sources: SourceStore):
    wide, narrow = noise(300, 200), noise(400, 20)
    request = ExtrasRequest(sources=kept(sources, wide, narrow), auto_size=True)
    events = run(runner, request)
    sizes = [(event.width, event.height) for event in events if isinstance(event, ImageDone)]
    assert sizes == [(768, 512), (400, 20)]
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert "stays 400×20" in notice.text


def test_only_what_is_missing_is_made(runner: Runner, sources: SourceStore):
    request = ExtrasRequest(sources=kept(sources, noise(), noise(32, 32)), flip_both=True)
    made = [event.index for event in run(runner, request, done=frozenset({0, 1, 2})) if isinstance(event, ImageDone)]
    assert made == [3]


@pytest.mark.parametrize(("when", "made", "end"), [
    (CancelWhen.NOW, 0, Finished("job", cancelled=True)), (CancelWhen.SKIP, 0, Finished("job", skipped=2)),
    (CancelWhen.AFTER_BATCH, 1, Finished("job", cancelled=True)),
])  # fmt: skip
def test_it_stops_and_skips_as_told(runner: Runner, sources: SourceStore, when: CancelWhen, made: int, end: Finished):
    events = run(runner, ExtrasRequest(sources=kept(sources, noise(), noise(32, 32)), upscaler_1="2x", upscale_by=2), when=when)
    assert sum(isinstance(event, ImageDone) for event in events) == made
    assert events[-1] == end


def test_faces_need_an_extension(runner: Runner, sources: SourceStore):
    with pytest.raises(InvalidRequest, match="no extension that restores faces"):
        run(runner, ExtrasRequest(sources=kept(sources, noise()), gfpgan_visibility=1))


def test_an_extension_changes_pictures_that_were_enlarged(tmp_path: Path, sources: SourceStore):
    code = (
        "@hookimpl\ndef alter_extras_image(image, request):\n"
        "    return image.point(lambda level: 255 - level) if request.codeformer_visibility else None\n"
    )
    write_extension(tmp_path, "faces", code)
    plugins = PluginManager([tmp_path], engine=True)
    plugins.load_all()
    runner, picture = Runner(Catalog((), ()), "cpu", sources=sources, plugins=plugins), noise()
    [same] = results(runner, ExtrasRequest(sources=kept(sources, picture)))
    [other] = results(runner, ExtrasRequest(sources=kept(sources, picture), codeformer_visibility=1))
    assert same.tobytes() == picture.tobytes()
    assert np.array_equal(np.asarray(other), 255 - np.asarray(picture))


def test_a_second_pass_takes_a_model_of_pixels(runner: Runner):
    made = runner._enlarger(Run("job", GenerationRequest(), upscaler_tile=32), runner.new_control())(
        np.asarray(noise()), "2x", (128, 96)
    )
    wanted = runner._upscalers.enlarge(np.asarray(noise()), "2x", (128, 96), TileOptions(32, 8))
    assert np.array_equal(made, wanted)
