"""The tab Extensions: an extension's whole life by clicking, from a local git repository; and every kind of broken one named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.conftest import DESKTOP, PHONE, Watch
from tests.browser.page import PATIENCE, Studio
from tests.plugins.installing.shop import Repository, files_of, write, write_wheel
from tests.plugins.installing.test_refusals import zipped
from tests.plugins.writing import FIVE_KINDS, IMPORTS, write_extension
from tests.running import RunningApp

#: Put there by hand, each wrong in its own way, with what its row says.
BROKEN = {
    "syntax": "plugin.py, line",
    "unknown-hook": "There is no hook “alter_pictures”",
    "missing": "absent_package>=9, which is not installed",
    "core-field": "Its options cannot be used",
    "newer": "newer than this program",
    "wrong-type": "a list was expected",
    "engine-syntax": "engine.py, line",
}


def write_broken(folder: Path) -> None:
    hook = "@hookimpl\ndef {}():\n    return {}\n"
    write_extension(folder, "syntax", "def x(:\n")
    write_extension(folder, "unknown-hook", hook.format("alter_pictures", "1"))
    write_extension(folder, "missing", manifest='python = ["absent_package>=9"]')
    steps = '@dataclass(frozen=True, kw_only=True)\nclass O:\n    steps: Annotated[int, Param("Mine", infotext="Steps")] = 1\n'
    write_extension(folder, "core-field", steps + hook.format("register_params", "[O]"))
    write_extension(folder, "newer", api=9)
    write_extension(folder, "wrong-type", hook.format("register_params", "7"))
    write_extension(folder, "engine-syntax", "", engine="def x(:\n")
    write_extension(folder, "twin")
    write_extension(folder, "twin-again").joinpath("extension.toml").write_text('name = "twin"\nversion = "2.0"\napi = 1\n')
    raising = "@hookimpl\ndef alter_request(request):\n    if 'fail' in request.prompt:\n        raise ValueError('no')\n"
    write_extension(folder, "raises", raising)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extensions")


@pytest.fixture(scope="module")
def app(place: Path) -> Iterator[RunningApp]:
    write_broken(place / "data" / "extensions")
    write_wheel(place / "wheels", "made_up", "1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(place / "wheels"))
        with RunningApp(place / "data") as app:
            yield app


@pytest.fixture(scope="module")
def opened(app: RunningApp, browser: Browser) -> Iterator[Studio]:
    """One page for all tests here; what must not happen on any page is looked at in the end."""
    watch = Watch()
    context = browser.new_context(**DESKTOP)
    watch.follow(context, app.address)
    yield Studio(context.new_page(), app.address).open()
    context.close()
    assert (watch.foreign, watch.errors) == ([], [])


@pytest.fixture
def tab(opened: Studio) -> Studio:
    opened.show("Extensions")
    opened.page.click("#ext_view_installed")
    opened.page.locator(".ext-row").first.wait_for()
    return opened


def row(studio: Studio, name: str) -> Locator:
    return studio.page.locator(f'.ext-row[data-name="{name}"]')


def look(studio: Studio, source: str) -> None:
    studio.page.click("#ext_view_address")
    studio.page.fill("#ext_source", source)
    studio.page.click("#ext_look")


def installed_packages() -> list[str]:
    listed = subprocess.run([sys.executable, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True)
    return sorted(listed.stdout.splitlines())


def restart(studio: Studio) -> None:
    """Press it, and wait until the page is back in its tab."""
    studio.page.evaluate("() => (window.before = true)")
    studio.page.click("#ext_restart")
    studio.page.wait_for_function(
        "() => !window.before && document.documentElement.dataset.periplus === 'ready'", timeout=2 * PATIENCE
    )
    studio.page.locator(".ext-row").first.wait_for()


@pytest.mark.timeout(400)  # pip works five times, and the program starts twice
def test_an_extension_lives_its_whole_life_by_clicking(tab: Studio, app: RunningApp, place: Path):
    page = tab.page
    before = installed_packages()
    repository = Repository(place / "five")
    plugin = f"import made_up\n{IMPORTS}{FIVE_KINDS}"
    repository.commit(files_of("five", plugin=plugin, manifest='python = ["made_up"]\n'), "Begin")
    look(tab, str(repository.path))
    plan = page.locator("#ext_plan")
    expect(plan).to_contain_text("made_up 1.0")
    expect(plan).to_contain_text("register_params")
    expect(plan).to_contain_text("2 files")
    page.click("#ext_install")
    expect(row(tab, "five")).to_contain_text("1.0 · ")
    expect(page.locator(".ext-needed")).to_contain_text("after a restart")

    job = app.submit(prompt="castle", steps=20, batch_count=3, width=128, height=128)
    app.wait_for_picture(job)
    restart(tab)
    (done,) = app.wait(job)
    assert (done["state"], len(done["pictures"])) == ("done", 3)  # it was taken up again
    tab.show("txt2img")
    page.locator("#txt2img_extension_five").wait_for()
    job = app.job(app.submit(prompt="sun", steps=1, width=64, height=64, extras={"five": {"count": 5}}))
    assert "Five count: 5" in app.wait(job["id"])[0]["pictures"][0]["infotext"]

    tab.show("Extensions")
    repository.commit(files_of("five", "2.0", plugin=plugin, manifest='python = ["made_up"]\n'), "Say it louder")
    page.click("#ext_check")
    expect(row(tab, "five").locator(".ext-news")).to_contain_text("Say it louder")
    row(tab, "five").locator(".ext-update").click()
    expect(row(tab, "five").locator(".ext-version")).to_contain_text("2.0")
    row(tab, "five").locator(".ext-rollback").click()
    expect(row(tab, "five").locator(".ext-version")).to_contain_text("1.0")
    row(tab, "five").get_by_role("checkbox").click()
    expect(row(tab, "five")).to_have_attribute("data-enabled", "false")
    row(tab, "five").locator(".ext-remove").click()
    expect(row(tab, "five")).to_have_count(0)
    page.locator(".notice", has_text="was removed").get_by_role("button", name="Undo").click()
    row(tab, "five").locator(".ext-remove").click()
    expect(row(tab, "five")).to_have_count(0)
    page.locator("#ext_trash summary").click()
    page.locator("#ext_trash").get_by_role("button", name="Delete for good").click()
    expect(page.locator("#ext_trash")).to_be_hidden()
    assert installed_packages() == before
    assert not (place / "data" / "extensions" / "five").exists()


def test_every_kind_of_broken_extension_is_named_with_its_reason(tab: Studio, app: RunningApp):
    for name, reason in BROKEN.items():
        expect(row(tab, name).locator(".ext-problem")).to_contain_text(reason)
    twins = row(tab, "twin")
    expect(twins).to_have_count(2)
    expect(twins.locator(".ext-problem")).to_contain_text("There is another extension of this name")
    expect(row(tab, "freeu").locator(".ext-problem")).to_have_count(0)
    answer = app.http.post("/api/v1/jobs", json={"prompt": "fail", "steps": 1})
    assert "raises failed in alter_request: ValueError: no" in answer.json()["detail"]
    log = "".join(app.output)
    assert all(f"The extension {name} is not loaded" in log for name in BROKEN if name != "engine-syntax")


def test_what_cannot_be_installed_is_explained_in_the_page(tab: Studio, app: RunningApp, place: Path):
    page = tab.page
    asked = write(place / "asks", files_of("asks", manifest='python = ["numpy<1"]'))
    look(tab, str(asked))
    expect(page.locator("#ext_plan .ext-problem")).to_contain_text("It asks for numpy<1, and numpy ")
    assert page.locator("#ext_install").is_disabled()
    page.click("#ext_away")
    look(tab, str(zipped(place / "evil.zip", {"../up.py": "x"})))
    expect(page.locator(".ext-plan .ext-problem")).to_contain_text("leads out of the extension's folder")
    look(tab, "ftp://host/x")
    expect(page.locator("#ext_source_field .field-error")).to_contain_text("cannot be fetched from")
    look(tab, "http://127.0.0.1:1/x.git")
    expect(page.locator(".ext-plan .ext-problem")).to_contain_text("Fetching http://127.0.0.1:1/x.git failed")


def test_lists_are_searched_and_the_set_is_backed_up(tab: Studio, app: RunningApp, place: Path):
    page = tab.page
    index = place / "index.json"
    things = [{"name": f"Thing {number}", "url": f"https://host/{number}", "tags": ["script"]} for number in range(3)]
    things[0]["tags"] = []
    index.write_text(json.dumps({"tags": {"script": "x"}, "extensions": things}))
    page.click("#ext_view_available")
    expect(page.locator(".ext-entry")).to_have_count(4)
    page.fill("#ext_index", str(index))
    page.click("#ext_index_load")
    expect(page.locator(".ext-entry")).to_have_count(3)
    page.get_by_role("button", name="script").click()
    expect(page.locator(".ext-entry")).to_have_count(2)
    page.fill("#ext_search", "thing 2")
    expect(page.locator(".ext-entry")).to_have_count(1)
    page.click("#ext_view_backups")
    page.fill("#ext_backup_name", "mine")
    page.click("#ext_backup_save")
    mine = page.locator(".ext-backups .ext-row", has_text="mine")
    expect(mine).to_be_visible()  # it has the set as it was before the next change
    app.http.put("/api/v1/extensions/installed/tiling/enabled", json={"enabled": False})
    mine.get_by_role("button", name="Compare").click()
    expect(mine.locator(".ext-differences")).to_have_text("tiling is switched on")
    mine.get_by_role("button", name="Restore").click()
    page.locator(".task-done", has_text="Restore “mine”").wait_for()
    listed = app.http.get("/api/v1/extensions").json()["extensions"]
    assert [one["enabled"] for one in listed if one["name"] == "tiling"] == [True]


def test_on_a_phone_everything_fits(tab: Studio):
    tab.page.set_viewport_size(PHONE["viewport"])
    for view in ("installed", "available", "address", "backups"):
        tab.page.click(f"#ext_view_{view}")
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 390
