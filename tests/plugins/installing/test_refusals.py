"""What is not installed, and why: hostile archives, addresses, names and packages; each refused in words."""

from __future__ import annotations

import re
import socket
import stat
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.installing.shop import CALLER, files_of, write, write_wheel
from webui.errors import Cancelled, InvalidRequest
from webui.plugins.installing import commands, packages, repository, unpacking
from webui.plugins.installing.addresses import Source, read_source
from webui.plugins.installing.contents import read_contents
from webui.plugins.installing.packages import Resident
from webui.plugins.installing.refusal import InstallRefused

# ---- addresses


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Give a git address"),
        ("ext::sh -c 'touch /tmp/x'", "neither an address"),
        ("ext::https://host/x", "cannot be fetched from"),
        ("ftp://host/x", "“ftp” cannot be fetched from"),
        ("https:///x", "names no host"),
        ("ssh://-oProxyCommand=x/y", "names no host"),
        ("--upload-pack=x", "neither an address"),
        ("https://ann:secret@host/x", "holds a password"),
        ("https://token@host/x", "holds a password"),
        ("~nobody-of-this-name/x", "cannot be read"),
        ("/" + "x" * 300, "cannot be read"),
        ("file:///" + "x" * 300, "cannot be read"),
        ("https://host/\nx", "control characters"),
        ("/no/such/place", "There is no folder or file"),
        (__file__, "neither a folder nor a .zip file"),
        ("relative/folder", "nor a whole path"),
    ],
)
def test_an_address_that_cannot_be_fetched_is_refused_at_its_field(text: str, why: str):
    with pytest.raises(InvalidRequest, match=why) as found:
        read_source(text)
    assert found.value.field == "source"


@pytest.mark.parametrize("branch", ["--upload-pack=x", "a..b", "a b", "-x"])
def test_a_branch_that_is_none_is_refused_at_its_field(branch: str):
    with pytest.raises(InvalidRequest) as found:
        read_source("https://host/x.git", branch)
    assert found.value.field == "branch"


@pytest.mark.parametrize("text", ["https://host/x.git", "git@host:ann/x.git", "ssh://git@host/x", "git://host/x"])
def test_the_addresses_of_git_are_taken(text: str):
    assert read_source(text) == Source("git", text)


# ---- git


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for each in held:
            each.close()


def test_a_git_address_that_hangs_is_given_up_after_its_time(silent: str, installer, places, told, monkeypatch):
    monkeypatch.setattr(repository, "CLONE_SECONDS", 0.5)
    with pytest.raises(InstallRefused, match=rf"Fetching {silent} was given up after 0\.5 seconds"):
        installer.plan(read_source(silent), told)
    assert list((places.folder / ".installing").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_command_that_is_stopped_takes_all_that_it_began_with_it(told, tmp_path):
    note = tmp_path / "pid"
    code = f"sleep 60 & echo $! > {note}; wait"

    def look() -> None:
        if note.exists() and note.read_text().strip():
            raise Cancelled

    with pytest.raises(Cancelled):
        commands.run(["sh", "-c", code], told, seconds=30, what="Waiting", look=look)
    deadline = time.monotonic() + 10
    while _runs(int(note.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_hooks_and_links_of_a_repository_do_nothing(repository, installer, told, tmp_path):
    repository.commit(files_of("hello"), "first")
    (repository.path / "out").symlink_to("/etc/passwd")
    repository.commit({".githooks/post-checkout": f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n"}, "A link and a hook")
    repository.git("config", "core.hooksPath", ".githooks")
    plan = installer.plan(read_source(str(repository.path)), told)
    assert not (tmp_path / "ran").exists()
    assert not (plan.tree / "out").is_symlink()
    assert (plan.tree / "out").read_text() == "/etc/passwd"


def test_a_commit_that_is_gone_is_named(repository, told, tmp_path):
    repository.commit(files_of("hello"), "first")
    source = Source("git", str(repository.path))
    with pytest.raises(InstallRefused, match="has no commit aaaaaaaaaaaa"):
        repository_clone(source, "a" * 40, tmp_path / "tree", told)
    with pytest.raises(InstallRefused, match="is no commit"):
        repository_clone(source, "--help", tmp_path / "other", told)


def repository_clone(source: Source, commit: str, tree: Path, told) -> None:
    repository.clone(source, commit, tree, told, look=lambda: None)


# ---- zip files and folders


def zipped(path: Path, members: dict[str, str], attributes: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = attributes << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, text)
    return path


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil.py", "/evil.py", "C:\\evil.py", "..\\evil.py", ".git/config", ".packages/x.py"]
)
def test_a_zip_file_with_a_path_that_leads_out_or_into_our_places_is_refused(name: str, installer, tmp_path, told):
    file = zipped(tmp_path / "evil.zip", {**files_of("evil"), name: "x"})
    with pytest.raises(InstallRefused, match=r"leads out of the extension's folder|that only the program itself may make"):
        installer.plan(read_source(str(file)), told)
    assert not list(tmp_path.rglob("evil.py"))


def test_a_zip_file_with_a_link_is_refused(installer, tmp_path, told):
    file = zipped(tmp_path / "link.zip", {"out": "/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(InstallRefused, match="holds a link, “out”"):
        installer.plan(read_source(str(file)), told)


def test_a_zip_file_that_swells_or_is_damaged_is_refused(installer, tmp_path, told, monkeypatch):
    file = zipped(tmp_path / "bomb.zip", {"zeros": "0" * 12_000_000})
    with pytest.raises(InstallRefused, match="swells beyond reason"):
        installer.plan(read_source(str(file)), told)
    monkeypatch.setattr(unpacking, "MOST_BYTES", 100)
    with pytest.raises(InstallRefused, match="would be larger"):
        installer.plan(read_source(str(zipped(tmp_path / "large.zip", {"a": "a" * 60, "b": "b" * 60}))), told)
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    with pytest.raises(InstallRefused, match=r"no\.zip cannot be unpacked"):
        installer.plan(read_source(str(tmp_path / "no.zip")), told)


def test_a_zip_file_that_lies_about_its_sizes_is_refused(tmp_path, told, monkeypatch):
    file = zipped(tmp_path / "liar.zip", {"a": "a" * 5_000})
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1_000)
    monkeypatch.setattr(unpacking, "_check_members", lambda members: None)
    with pytest.raises(InstallRefused, match="would be larger"):
        unpacking.unzip(file, tmp_path / "out", told)


def test_a_folder_with_a_link_is_refused_and_its_git_and_packages_are_left(installer, tmp_path, told):
    folder = write(tmp_path / "own", {**files_of("hello"), ".packages/x.py": "", "__pycache__/x.pyc": ""})
    assert [path for path, _ in installer.plan(read_source(str(folder)), told).contents.files] == ["extension.toml", "plugin.py"]
    (folder / "out").symlink_to("/etc")
    with pytest.raises(InstallRefused, match="holds a link, “out”"):
        installer.plan(read_source(str(folder)), told)


# ---- what the files say


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (files_of("hello", plugin="def x(:\n"), r"plugin\.py, line 1: "),
        (files_of("hello", plugin=CALLER.replace("alter_infotext", "alter_infotex")), "no hook “alter_infotex”.*alter_infotext"),
        (files_of("../up"), "Its name is “../up”"),
        (files_of("con"), "cannot be a folder's everywhere"),
        (files_of("a" * 70), "cannot be a folder's everywhere"),
        ({"extension.toml": 'name = "x"\nversion = "1"\napi = 9\n', "plugin.py": ""}, "newer than this program"),
        ({"extension.toml": 'name = "x"\nversion = "1"\napi = 1\n'}, r"no plugin\.py"),
        ({"scripts/x.py": "", "install.py": ""}, "for A1111's web UI"),
        ({"extension.toml": "= broken"}, "cannot be read"),
        (files_of("hello", plugin="(" * 5_000), "plugin.py"),
    ],
    ids=["syntax", "hook", "escape", "reserved", "long", "api", "no plugin", "a1111", "manifest", "deep"],
)
def test_what_could_not_be_loaded_is_named_before_it_is_installed(files, why, tmp_path):
    contents = read_contents(write(tmp_path / "it", files))
    assert len(contents.problems) == 1
    assert re.search(why, contents.problems[0])


def test_nothing_of_an_extension_runs_when_it_is_looked_at(installer, tmp_path, told):
    mark = tmp_path / "ran"
    plugin = f"open({str(mark)!r}, 'w').close()\nwhile True: pass\n"
    plan = installer.plan(read_source(str(write(tmp_path / "it", files_of("hello", plugin=plugin)))), told)
    assert plan.problems == ()
    assert not mark.exists()


# ---- packages


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    (tmp_path / "wheels").mkdir()
    return tmp_path / "wheels"


def test_a_package_that_would_change_ours_is_refused_with_both_versions(installer, wheels, tmp_path, told):
    import pluggy

    asked = write(tmp_path / "it", files_of("hello", manifest='python = ["pluggy<1"]'))
    (problem,) = installer.plan(read_source(str(asked)), told).problems
    assert problem.startswith(f"It asks for pluggy<1, and pluggy {pluggy.__version__} is installed here.")
    write_wheel(wheels, "made_up", "1.0", ("pluggy<1",))
    write(asked, files_of("hello", manifest='python = ["made_up"]'))
    (problem,) = installer.plan(read_source(str(asked)), told).problems
    assert problem.startswith(f"Its package made-up 1.0 asks for pluggy<1, and pluggy {pluggy.__version__} is installed here.")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("made_up @ https://host/x.whl", "only packages by name"),
        ("not a requirement", "is no requirement"),
        ("other>=2", "the extension rain"),
    ],
)
def test_a_requirement_that_cannot_be_met_is_refused_without_asking_anybody(asked: str, why: str, tmp_path, told):
    with pytest.raises(InstallRefused, match=why):
        packages.resolve([asked], {"other": Resident("1.0", "rain")}, tmp_path, told)


def test_a_package_that_is_nowhere_or_has_no_wheel_is_named(wheels, tmp_path, told):
    with pytest.raises(InstallRefused, match=r"It asks for made_up>=1, and there is no ready-made package \(wheel\) of made"):
        packages.resolve(["made_up>=1"], {}, tmp_path, told)


def test_what_is_here_needs_no_lookup(tmp_path, told, monkeypatch):
    monkeypatch.setattr(packages, "run", lambda *given, **others: pytest.fail("pip was asked"))
    assert packages.resolve(["pluggy>=1", "absent; python_version < '3'"], packages.environment(), tmp_path, told) == []
