"""Installing, updating, going back and removing, from git repositories, folders and zip files of this machine."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.plugins.installing.shop import CALLER, Repository, Told, files_of, write, write_wheel
from webui.errors import Cancelled
from webui.plugins.installing.addresses import read_source
from webui.plugins.installing.installer import Installer
from webui.plugins.installing.places import Places
from webui.plugins.installing.refusal import InstallRefused, NotThere
from webui.plugins.loader import PluginManager


def install(installer: Installer, address: Path, told: Told, branch: str = ""):
    return installer.install(installer.plan(read_source(str(address), branch), told).id, told)


def said(plugins: PluginManager) -> object:
    return plugins.fold("alter_infotext", {}, request=None).get("Said")


def left_over(places: Places) -> list[str]:
    """What of `.installing` is still there."""
    folder = places.folder / ".installing"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def test_an_extension_goes_its_whole_way_from_a_repository_to_the_trash(installer, plugins, places, repository, told):
    first = repository.commit(files_of("hello"), "Say hello")
    plan = installer.plan(read_source(str(repository.path)), told)
    assert (plan.record.commit, plan.contents.hooks, plan.problems) == (first, ("alter_infotext",), ())
    assert [path for path, _ in plan.contents.files] == ["extension.toml", "plugin.py"]
    assert said(plugins) is None
    here = installer.install(plan.id, told)
    assert (here.info.version, here.record.commit, here.record.source.branch, said(plugins)) == ("1.0", first, "main", "1.0")

    second = repository.commit(files_of("hello", "2.0"), "Say it louder")
    assert installer.check(told) == 1
    (hello,) = installer.installed()
    assert [(change.commit, change.author, change.subject) for change in hello.news.changes] == [(second, "Ann", "Say it louder")]
    updated = installer.update("hello", told)
    assert (updated.info.version, updated.record.commit, updated.previous, said(plugins)) == ("2.0", second, "1.0", "2.0")
    assert [backup.name for backup in installer.backups.all()] == ["pre-update"]
    with pytest.raises(InstallRefused, match="the newest already"):
        installer.update("hello", told)

    assert installer.roll_back("hello").info.version == said(plugins) == "1.0"
    assert installer.roll_back("hello").info.version == said(plugins) == "2.0"
    deletion = installer.remove("hello")
    assert (installer.installed(), said(plugins)) == ([], None)
    back = installer.bring_back(deletion.id)
    assert (back.info.version, back.previous, said(plugins)) == ("2.0", "1.0", "2.0")
    installer.forget(installer.remove("hello").id)
    assert [path.name for folder in places.folder.iterdir() for path in folder.iterdir()] == []


def test_a_branch_is_taken_and_kept_to(installer, repository, told):
    repository.commit(files_of("hello"), "first")
    repository.git("checkout", "-q", "-b", "next")
    repository.commit(files_of("hello", "3.0"), "next")
    repository.git("checkout", "-q", "main")
    assert install(installer, repository.path, told, "next").info.version == "3.0"
    assert installer.check(told) == 0
    with pytest.raises(InstallRefused, match="Remote branch absent not found"):
        installer.plan(read_source(str(repository.path), "absent"), told)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_folder_and_a_zip_file_are_pinned_by_a_fingerprint_and_read_again(kind, installer, plugins, tmp_path, told):
    def offer(version: str) -> Path:
        folder = write(tmp_path / "own" / "hello-main", files_of("hello", version))
        return folder if kind == "folder" else Path(shutil.make_archive(str(tmp_path / "own"), "zip", tmp_path / "own"))

    here = install(installer, offer("1.0"), told)
    assert here.record
    assert here.record.commit.startswith("sha256:")
    assert here.record.source.kind == kind
    offer("2.0")
    assert installer.update("hello", told).info.version == said(plugins) == "2.0"


def test_packages_go_into_the_extensions_own_folder_and_with_it(installer, tmp_path, repository, told, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    write_wheel(tmp_path / "wheels", "made_up_base", "1.5")
    write_wheel(tmp_path / "wheels", "made_up", "2.0", ("made_up_base>=1", "packaging"))
    before = sorted((dist.name, dist.version) for dist in metadata.distributions())
    plugin = "import made_up, made_up_base\n"
    repository.commit(files_of("hello", plugin=plugin, manifest='python = ["made_up>=2", "packaging"]'), "first")
    plan = installer.plan(read_source(str(repository.path)), told)
    assert [(package.name, package.version) for package in plan.adds] == [("made_up", "2.0"), ("made_up_base", "1.5")]
    assert all(package.sha256 for package in plan.adds)
    here = installer.install(plan.id, told)
    assert here.problem == ""
    assert [package.name for package in here.packages] == ["made_up", "made_up_base"]
    assert sys.modules["made_up"].__file__ == str(here.info.path / ".packages" / "made_up.py")
    installer.remove("hello")
    assert sorted((dist.name, dist.version) for dist in metadata.distributions()) == before
    assert "made_up" not in sys.modules


def test_a_fetch_that_is_cancelled_leaves_nothing(installer, places, repository, told):
    repository.commit(files_of("hello"), "first")
    told.stop_at = "Reading what it holds"
    with pytest.raises(Cancelled):
        installer.plan(read_source(str(repository.path)), told).id
    assert left_over(places) == []


def test_an_install_that_is_cancelled_or_put_away_leaves_nothing(installer, places, repository, told):
    repository.commit(files_of("hello"), "first")
    plan = installer.plan(read_source(str(repository.path)), told)
    told.stop_at = "Fetching"
    with pytest.raises(Cancelled):
        installer.install(plan.id, told)
    told.stop_at = ""
    other = installer.plan(read_source(str(repository.path)), told)
    installer.put_away(other.id)
    for plan_id in (plan.id, other.id):
        with pytest.raises(NotThere, match="look again"):
            installer.find_plan(plan_id)
    assert (left_over(places), installer.installed()) == ([], [])


def test_what_a_killed_program_left_is_swept_and_what_it_had_put_aside_is_back(installer, places, settings, repository, told):
    repository.commit(files_of("hello"), "first")
    install(installer, repository.path, told)
    repository.commit(files_of("hello", "2.0"), "second")
    installer.plan(read_source(str(repository.path)), told)
    (places.folder / "hello").rename(places.folder / ".previous-hello")  # as if killed between the two renames
    (places.folder / ".previous").mkdir()
    (places.folder / ".previous-hello").rename(places.folder / ".previous" / "hello")
    Places(places.folder).sweep()
    assert left_over(places) == []
    assert [info.version for info in PluginManager.of(settings).plugins()] == ["1.0"]


def test_a_second_of_one_name_and_one_that_needs_another_are_refused(installer, tmp_path, repository, told):
    repository.commit(files_of("hello"), "first")
    install(installer, repository.path, told)
    second = write(tmp_path / "second", files_of("hello"))
    assert "two of one name" in installer.plan(read_source(str(second)), told).problems[0]
    needy = write(tmp_path / "needy", files_of("needy", manifest='requires = ["absent"]'))
    plan = installer.plan(read_source(str(needy)), told)
    assert plan.problems == ("It requires the extension absent, which is not here; install that first.",)
    with pytest.raises(InstallRefused, match="requires the extension absent"):
        installer.install(plan.id, told)
    install(installer, write(tmp_path / "other", files_of("other", manifest='requires = ["hello"]')), told)
    with pytest.raises(InstallRefused, match="other requires hello"):
        installer.remove("hello")


def test_an_update_that_cannot_be_leaves_the_present_version(installer, plugins, repository, told):
    repository.commit(files_of("hello"), "first")
    install(installer, repository.path, told)
    repository.commit(files_of("hello", "2.0", plugin="def broken(:\n"), "second")
    with pytest.raises(InstallRefused, match=r"new version of hello is not installed\. plugin\.py, line 1"):
        installer.update("hello", told)
    repository.commit(files_of("renamed"), "third")
    with pytest.raises(InstallRefused, match="It is called renamed now"):
        installer.update("hello", told)
    assert said(plugins) == "1.0"


def test_a_repository_that_is_gone_is_named_and_the_others_are_asked(installer, tmp_path, repository, told):
    repository.commit(files_of("hello"), "first")
    other = Repository(tmp_path / "other")
    other.commit(files_of("other"), "first")
    install(installer, repository.path, told)
    install(installer, other.path, told)
    shutil.rmtree(repository.path)
    other.commit(files_of("other", "2.0"), "second")
    assert installer.check(told) == 1
    hello, second = installer.installed()
    assert "Asking what is new failed" in hello.news.error
    assert len(second.news.changes) == 1


def test_a_restart_is_needed_for_what_is_drawn_at_the_start(installer, repository, tmp_path, told):
    repository.commit(files_of("hello"), "first")
    install(installer, repository.path, told)
    assert not installer.restart_needed()
    tab = "from webui.plugins.hooks import hookimpl\n@hookimpl\ndef register_tabs():\n    return []\n"
    install(installer, write(tmp_path / "tab", files_of("tab", plugin=tab)), told)
    assert installer.restart_needed()
    installer.switch("tab", False)
    assert not installer.restart_needed()


def test_a_backup_brings_versions_and_switches_back(installer, plugins, repository, tmp_path, told):
    first = repository.commit(files_of("hello"), "first")
    install(installer, repository.path, told)
    backup = installer.backup("Good ../ set")
    assert installer.differences(backup.id) == []
    repository.commit(files_of("hello", "2.0"), "second")
    installer.update("hello", told)
    install(installer, write(tmp_path / "later", files_of("later")), told)
    assert [(each.name, each.what) for each in installer.differences(backup.id)] == [("hello", "change"), ("later", "disable")]
    installer.restore(backup.id, told)
    hello, later = installer.installed()
    assert (hello.info.version, hello.record.commit, later.info.enabled) == ("1.0", first, False)
    installer.remove("hello")
    installer.restore(backup.id, told)
    assert said(plugins) == "1.0"
    shutil.rmtree(repository.path)
    installer.remove("hello")
    with pytest.raises(InstallRefused, match=r"Not everything could be restored\. hello: "):
        installer.restore(backup.id, told)
    installer.backups.delete(backup.id)
    with pytest.raises(NotThere):
        installer.differences(backup.id)


def test_a_backup_brings_one_back_before_another_that_requires_it(installer, tmp_path, told):
    install(installer, write(tmp_path / "second", files_of("second")), told)
    install(installer, write(tmp_path / "first", files_of("first", manifest='requires = ["second"]')), told)
    backup = installer.backup("both")
    installer.remove("first")
    installer.remove("second")
    installer.restore(backup.id, told)
    assert [each.info.loaded for each in installer.installed()] == [True, True]


@pytest.mark.parametrize("how", ["installed", "brought back"])
def test_the_engine_has_what_came_in_place_of_what_was_removed(how, installer, settings, repository, told):
    engine_part = CALLER.replace("alter_infotext(entries)", "alter_latents(latents)").replace("{**entries, ", "{")
    repository.commit({**files_of("hello"), "engine.py": engine_part.replace("VERSION", "1.0")}, "first")
    install(installer, repository.path, told)
    engine = PluginManager.of(settings, engine=True)
    deletion = installer.remove("hello")
    if how == "installed":
        repository.commit({**files_of("hello", "2.0"), "engine.py": engine_part.replace("VERSION", "2.0")}, "second")
        install(installer, repository.path, told)
    else:
        for file in installer.bring_back(deletion.id).info.path.glob("*.py"):
            file.write_text(file.read_text().replace("1.0", "2.0"))
    assert engine.fold("alter_latents", {}, request=None) == {"Said": "1.0"}
    assert engine.follow()
    assert engine.fold("alter_latents", {}, request=None) == {"Said": "2.0"}


def test_of_two_that_were_looked_at_under_one_name_only_one_is_installed(installer, places, tmp_path, told):
    plans = [installer.plan(read_source(str(write(tmp_path / at, files_of("hello", at)))), told) for at in ("1.0", "2.0")]
    installer.install(plans[0].id, told)
    with pytest.raises(InstallRefused, match="two of one name"):
        installer.install(plans[1].id, told)
    assert ([each.info.version for each in installer.installed()], left_over(places)) == (["1.0"], [])


def test_one_that_is_damaged_and_was_removed_comes_back(installer, plugins, places, told):
    write(places.folder / "My hello", {"extension.toml": "= damaged"})
    plugins.load_all()
    deletion = installer.remove("My hello")
    assert installer.trash() == [deletion]
    assert "cannot be read" in installer.bring_back(deletion.id).problem


def test_one_that_a_person_put_there_can_be_removed_but_not_updated(installer, plugins, places, told):
    write(places.folder / "hello", files_of("hello"))
    plugins.load_all()
    with pytest.raises(InstallRefused, match="was not installed through the page"):
        installer.update("hello", told)
    assert installer.remove("hello").name == "hello"
    with pytest.raises(NotThere):
        installer.remove("hello")
