import pytest

from webui.core.request import GenerationRequest
from webui.engine.protocol import ImageDone
from webui.errors import JobNotFound, SaveFailed
from webui.jobs import keeper
from webui.jobs.keeper import PictureKeeper

REQUEST = GenerationRequest(checkpoint="starter", vae="None", seed=1, batch_count=100)
PIXELS = bytes(192)


@pytest.fixture
def kept(services):
    """A keeper over an empty data folder, and a job whose pictures it keeps."""
    keeper = PictureKeeper(services.store, services.settings)
    keeper.recover()
    return keeper, services.store.add("a", REQUEST)


def keep(kept, index: int):
    keeper, job = kept
    return keeper.keep(
        job, ImageDone(job.id, index, 8, 8, PIXELS, {"Fact": "engine"}), {"Model hash": "0123456789", "Fact": "front"}
    )


def fail_to_write(monkeypatch):
    def full(*_, **__):
        raise SaveFailed("full")

    monkeypatch.setattr(keeper, "write_new", full)


def test_facts_of_front_and_engine_stand_in_the_infotext_and_the_engines_win(kept):
    assert "Model hash: 0123456789" in keep(kept, 0).infotext
    assert "Fact: engine" in keep(kept, 0).infotext


def test_a_reserve_is_given_back_when_the_disk_is_full_and_taken_again_afterwards(kept, services, monkeypatch):
    ballast = services.settings.state_dir / "ballast"
    assert ballast.stat().st_size == keeper.BALLAST_BYTES
    with monkeypatch.context() as patch:
        fail_to_write(patch)
        with pytest.raises(SaveFailed):
            keep(kept, 0)
    assert not ballast.exists()
    keep(kept, 1)
    assert ballast.exists()


def test_pictures_that_could_not_be_saved_are_held_up_to_a_limit(kept, services, monkeypatch):
    fail_to_write(monkeypatch)
    monkeypatch.setattr(keeper, "UNSAVED_LIMIT", 2)
    for index in range(3):
        with pytest.raises(SaveFailed):
            keep(kept, index)
    first, *others = services.store.get("a").pictures
    for picture in others:
        assert kept[0].bytes_of(picture).startswith(b"\x89PNG")
    with pytest.raises(JobNotFound, match="no longer in memory"):
        kept[0].bytes_of(first)


def test_a_picture_whose_file_was_deleted_is_named(kept):
    picture = keep(kept, 0)
    assert picture.path is not None
    (kept[0]._settings.outputs_dir / picture.path).unlink()
    with pytest.raises(JobNotFound, match="is gone"):
        kept[0].bytes_of(picture)
