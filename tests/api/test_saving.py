"""Formats, names, the buttons Save and Zip, and grids, from a request over HTTP to the files."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import wait_until
from webui.app import Services
from webui.storage.encoding import ending_of
from webui.storage.metadata import read_infotext


def made(services: Services, client: TestClient, **request) -> dict:
    body = {"prompt": "red ❤ heart", "seed": 7, "width": 64, "height": 64, "steps": 1, **request}
    job = client.post("/api/v1/jobs", json=body).json()["id"]
    wait_until(lambda: services.store.get(job).state.finished)
    return client.get(f"/api/v1/jobs/{job}").json()


@pytest.mark.parametrize(("ending", "media"), [("jpg", "image/jpeg"), ("webp", "image/webp"), ("avif", "image/avif")])
def test_pictures_are_written_and_sent_in_the_format_of_the_settings(services, client, ending, media):
    services.preferences.update(samples_format=ending, samples_filename_pattern="[seed]-[prompt_words]")
    [picture] = made(services, client)["pictures"]
    path = Path(picture["path"])
    assert path.name == f"00000-7-red ❤ heart.{ending}"
    assert ending_of(path.read_bytes()) == ending
    assert read_infotext(path, path.name).infotext == picture["infotext"]
    answer = client.get(picture["url"], params={"download": 1})
    assert answer.headers["content-type"] == media
    assert answer.content == path.read_bytes()
    assert "filename*=UTF-8''00000-7-red%20%E2%9D%A4%20heart" in answer.headers["content-disposition"]


def test_names_folders_and_text_files_follow_the_settings(services, client):
    services.preferences.update(
        samples_filename_pattern="[sampler]", directories_filename_pattern="[model_name]/[steps] [batch_size]",
        save_images_add_number=False, save_txt=True, enable_pnginfo=False,
    )  # fmt: skip
    pictures = made(services, client, batch_size=2)["pictures"]
    folder = services.settings.outputs_dir / "txt2img-images" / "starter" / "1 2"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("DPM++ 2M-1.png", "DPM++ 2M-1.txt", "DPM++ 2M.png", "DPM++ 2M.txt"),
    ]
    for picture in pictures:
        path = Path(picture["path"])
        assert b"Steps" not in path.read_bytes()
        assert read_infotext(path, path.name).infotext == picture["infotext"]  # out of the text file beside it


def test_what_a_jpeg_cannot_hold_goes_into_a_text_file(services, client):
    services.preferences.update(samples_format="jpg")
    job = made(services, client, prompt="一" * 19_000, negative_prompt="二" * 19_000)
    [picture] = job["pictures"]
    path = Path(picture["path"])
    assert path.with_suffix(".txt").is_file()
    assert read_infotext(path, path.name).infotext == picture["infotext"]
    saved = client.post(f"/api/v1/jobs/{job['id']}/save", json={}).json()
    copy = Path(saved["folder"]) / saved["files"][0]
    assert read_infotext(copy, copy.name).infotext == picture["infotext"]
    answer = client.get(f"/api/v1/jobs/{job['id']}/pictures.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [path.name, f"{path.stem}.txt"]


def test_save_copies_a_picture_and_lists_it(services, client):
    job = made(services, client, batch_count=2, negative_prompt="blue")
    answer = client.post(f"/api/v1/jobs/{job['id']}/save", json={"pictures": [1]}).json()
    folder = Path(answer["folder"])
    assert folder == services.settings.data_dir / "log" / "images"
    assert answer["files"] == ["00000-8-red ❤ heart.png"]
    assert (folder / answer["files"][0]).read_bytes() == Path(job["pictures"][1]["path"]).read_bytes()
    client.post(f"/api/v1/jobs/{job['id']}/save", json={})
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["8", "7", "8"]
    first = {name: rows[0][name] for name in ("prompt", "negative_prompt", "width", "sampler", "cfgs", "steps", "sd_model_name")}
    assert list(first.values()) == ["red ❤ heart", "blue", "8", "DPM++ 2M", "7.0", "1", "starter"]
    assert rows[0]["filename"] == answer["files"][0]


def test_save_without_a_list_writes_none(services, client):
    services.preferences.update(save_write_log_csv=False, use_save_to_dirs_for_ui=True, directories_filename_pattern="[steps]")
    job = made(services, client)
    answer = client.post(f"/api/v1/jobs/{job['id']}/save", json={}).json()
    assert answer["files"] == ["1/00000-7.png"]
    assert not (Path(answer["folder"]) / "log.csv").exists()


def test_a_picture_that_is_not_there_cannot_be_saved(services, client):
    job = made(services, client)
    assert client.post(f"/api/v1/jobs/{job['id']}/save", json={"pictures": [5]}).status_code == 404
    assert client.get(f"/api/v1/jobs/{job['id']}/pictures.zip", params={"picture": 5}).status_code == 404
    assert client.get("/api/v1/jobs/none/pictures.zip").status_code == 404


def test_all_pictures_of_a_job_come_in_one_archive(services, client):
    services.preferences.update(grid_zip_filename_pattern="[[model_name]] [seed]-[seed_last] [generation_number]")
    job = made(services, client, batch_count=3)
    answer = client.get(f"/api/v1/jobs/{job['id']}/pictures.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="[starter] 7-9.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            Path(picture["path"]).name: Path(picture["path"]).read_bytes() for picture in job["pictures"]
        }
    some = client.get(f"/api/v1/jobs/{job['id']}/pictures.zip", params={"picture": [2]})
    with zipfile.ZipFile(io.BytesIO(some.content)) as archive:
        assert len(archive.namelist()) == 1
