import errno
import os
import socket
from dataclasses import replace

import pytest

from webui import cli
from webui.errors import WebUIError
from webui.listening import address_of, listening_socket, told_of_others
from webui.settings import Settings


def settings_of(*argv):
    return cli.settings_from(cli.make_parser().parse_args(argv))


def test_without_flags_only_this_machine_is_served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = settings_of()
    assert (settings.host, settings.port, settings.engine) == ("127.0.0.1", 7860, "process")
    assert settings.data_dir == tmp_path
    assert settings.open_browser
    assert settings.page


def test_every_flag_reaches_the_settings(tmp_path):
    flags = (
        f"--data-dir {tmp_path} --ckpt-dir {tmp_path} --vae-dir {tmp_path} --port 0 --listen --allowed-host box"
        " --medvram --medvram-sdxl --lowvram --no-half --vae-in-bf16 --device cuda:1 --engine inline --no-browser --nowebui"
        " --api --mcp --auth ann:a:b --api-auth bot:key,tom:x --api-log --api-server-stop"
        r" --cors-allow-origins http://localhost:5173/,https://a.lan --cors-allow-origins-regex https://.*\.lan"
    )
    assert settings_of(*flags.split()) == Settings(
        data_dir=tmp_path,
        host="0.0.0.0",
        port=0,
        checkpoint_dirs=(tmp_path,),
        vae_dirs=(tmp_path,),
        device="cuda:1",
        medvram=True,
        medvram_sdxl=True,
        lowvram=True,
        no_half=True,
        vae_precision="bf16",
        engine="inline",
        allowed_hosts=("box",),
        auth=(("ann", "a:b"),),
        api_auth=(("bot", "key"), ("tom", "x")),
        cors_origins=("http://localhost:5173", "https://a.lan"),
        cors_origins_regex=r"https://.*\.lan",
        api_log=True,
        api_server_stop=True,
        mcp=True,
        open_browser=False,
        page=False,
    )


def test_without_its_package_the_flag_for_assistants_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["--mcp", "--data-dir", str(tmp_path)]) == 1
    assert "`python launch.py --mcp` installs it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--auth", "ann"), ("--auth", ":x"), ("--api-auth", ""),
        ("--cors-allow-origins", "localhost"), ("--cors-allow-origins", "http://a/b"), ("--cors-allow-origins-regex", "("),
    ],
)  # fmt: skip
def test_a_value_of_another_form_is_refused(flag, value, capsys):
    with pytest.raises(SystemExit):
        settings_of(flag, value)
    assert flag in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--no-half-vae", "--vae-in-fp32"])
def test_a_vae_of_full_precision_has_the_names_of_a1111_and_forge(flag):
    assert settings_of(flag).vae_precision == "fp32"
    assert settings_of().vae_precision is None


def test_a_vae_has_one_precision(capsys):
    with pytest.raises(SystemExit):
        settings_of("--no-half-vae", "--vae-in-bf16")
    assert "not allowed with" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(tmp_path, capsys):
    assert cli.main(["--ckpt-dir", str(tmp_path / "gone")]) == 1
    assert f"There is no folder {tmp_path / 'gone'}" in capsys.readouterr().err


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_threads_of_torch_wait_asleep_unless_the_user_wants_otherwise(own, tmp_path, monkeypatch):
    monkeypatch.setattr("os.environ", {"OMP_WAIT_POLICY": own} if own else {})
    cli.main(["--ckpt-dir", str(tmp_path / "gone")])
    assert os.environ["OMP_WAIT_POLICY"] == (own or "PASSIVE")


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        cli.make_parser().parse_args([f"--port={port}"])
    assert "--port" in capsys.readouterr().err


def test_the_default_port_gives_way_to_the_next_and_a_chosen_one_does_not(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WebUIError, match=f"port {port}: .*in use.*--port"):
            listening_socket(Settings(data_dir=tmp_path, port=port))
    with listening_socket(Settings(data_dir=tmp_path)) as first, listening_socket(Settings(data_dir=tmp_path)) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


def test_a_kind_of_address_that_this_machine_has_not_is_told_in_words(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(WebUIError, match="Nothing can be served at ::1, port 7860: Address family not supported"):
        listening_socket(Settings(data_dir=tmp_path, host="::1"))


def test_the_address_is_one_that_a_browser_can_open(tmp_path):
    with listening_socket(Settings(data_dir=tmp_path, host="0.0.0.0", port=0)) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_who_listens_to_other_machines_is_told_the_address_there_and_that_no_password_is_asked_for(tmp_path):
    everywhere = Settings(data_dir=tmp_path, host="0.0.0.0", port=0)
    with listening_socket(everywhere) as listener:
        lines = told_of_others(everywhere, listener, lambda: "192.168.1.20")
        assert lines[0] == f"Other machines reach it at http://192.168.1.20:{listener.getsockname()[1]}"
        assert "--auth" in lines[1]
        assert told_of_others(replace(everywhere, auth=(("a", "b"),)), listener, lambda: "192.168.1.20") == lines[:1]
        assert told_of_others(everywhere, listener, lambda: None) == lines[1:]
    with listening_socket(replace(everywhere, host="127.0.0.1")) as listener:
        assert told_of_others(everywhere, listener, lambda: "192.168.1.20") == []


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["--data-dir", str(tmp_path / "file"), "--port", "0"]) == 1
    told = capsys.readouterr().err
    assert str(tmp_path / "file") in told
    assert "Not a directory" in told
