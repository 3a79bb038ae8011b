"""The command line. Standard library only until it is known that something is to be started."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from webui import __version__
from webui.errors import WebUIError
from webui.library.folders import Folders, a1111_folders, comfyui_folders, joined
from webui.listening import listening_socket
from webui.settings import Settings
from webui.storage.lock import FolderLock

#: What libraries read of the environment. No request leaves the machine unless a person asks for a download. Threads of torch
#: that wait for each other sleep: where other programs have work too, one that spins takes the core that the other waits for.
LIBRARIES = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
}


VAE_PRECISIONS = {"fp32": ("--no-half-vae", "--vae-in-fp32"), "fp16": ("--vae-in-fp16",), "bf16": ("--vae-in-bf16",)}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webui",
        description="Periplus: a browser-based web UI for Stable Diffusion.",
        epilog="`new-extension NAME` writes an extension to start from. docs/ has the manual.",
    )
    add = parser.add_argument
    add("--host", default=Settings.host, help="address to listen on (default: %(default)s, this machine only)")
    add("--listen", action="store_true", help="listen on all addresses, so that other machines can reach the page")
    add("--allowed-host", action="append", default=[], metavar="NAME", help="a name under which browsers may reach the page")
    add("--port", type=_port, default=Settings.port, help="default: %(default)s, or the next that is free; 0: any")
    add("--data-dir", type=Path, default=Path(), help="where models, outputs and settings lie (default: this folder)")
    add("--ckpt-dir", type=Path, action="append", default=[], metavar="DIR", help="one more folder of checkpoints")
    add("--vae-dir", type=Path, action="append", default=[], metavar="DIR", help="one more folder of VAEs")
    add("--a1111-home", type=Path, metavar="PATH", help="use the models of A1111's web UI or Forge where they lie")
    add("--comfyui-home", type=Path, metavar="PATH", help="use the models of ComfyUI where they lie")
    add("--embeddings-dir", type=Path, action="append", default=[], metavar="DIR", help="one more folder of embeddings")
    add("--styles-file", action="append", default=[], metavar="FILE", help="styles, instead of styles.csv; may hold wildcards")
    add("--device", help="cpu, cuda:0, mps … (default: the best there is)")
    add(
        "--checkpoints-memory",
        type=_gigabytes,
        metavar="GB",
        help="of checkpoints kept loaded (default: half of what is free)",
    )
    add("--medvram", action="store_true", help="keep only the part of a model that works on the device; slower, much less memory")
    add("--medvram-sdxl", action="store_true", help="the same for SDXL alone")
    add("--lowvram", action="store_true", help="also take the UNet there block by block; much slower, least memory")
    add("--no-half", action="store_true", help="compute everything in float32")
    vae = parser.add_mutually_exclusive_group()
    for precision, names in VAE_PRECISIONS.items():
        text = f"compute the VAE in {precision}, whatever suits the device"
        vae.add_argument(*names, dest="vae_precision", action="store_const", const=precision, help=text)
    add("--engine", choices=("process", "inline"), default=Settings.engine, help="inline: in this process, for debugging")
    add("--no-browser", action="store_true", help="do not open the page in a browser")
    add("--nowebui", action="store_true", help="the HTTP API only, no page")
    add("--api", action="store_true", help="taken for A1111's sake: the HTTP API is always there")
    add("--auth", "--gradio-auth", type=_users, default=(), metavar="USER:PASSWORD[,…]", help="ask for a password")
    add("--api-auth", type=_users, default=(), metavar="USER:PASSWORD[,…]", help="more who may use the HTTP API")
    add("--api-log", action="store_true", help="print a line for each call of the HTTP API")
    add("--api-server-stop", action="store_true", help="let the HTTP API stop and restart the program")
    add("--cors-allow-origins", type=_origins, default=(), metavar="ORIGIN[,…]", help="pages that may use the HTTP API")
    add("--cors-allow-origins-regex", type=_regex, metavar="REGEX", help="the same, for all origins that match wholly")
    add("--mcp", action="store_true", help="let assistants make pictures, by the Model Context Protocol at /mcp")
    add("--admin-password", metavar="TEXT", help="let those who know it change extensions from other machines")
    add("--safe-mode", action="store_true", help="load no extensions, to find out whether one of them is at fault")
    add("--version", action="version", version=f"Periplus {__version__}")
    return parser


def _gigabytes(text: str) -> float:
    amount = float(text)
    if not 0 <= amount < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no amount of memory in GB")
    return amount


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port; 0 to 65535 are")
    return port


def _users(text: str) -> tuple[tuple[str, str], ...]:
    """A1111's form: user:password, several with commas between them."""
    parts = [part.strip().partition(":") for part in text.split(",") if part.strip()]
    if not parts or not all(name and password for name, _, password in parts):
        raise argparse.ArgumentTypeError("USER:PASSWORD was expected, several with commas between them")
    return tuple((name, password) for name, _, password in parts)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", origin, re.IGNORECASE):
            raise argparse.ArgumentTypeError(f"{origin} is no origin, such as http://localhost:5173")
    return origins


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text} is no regular expression: {error}") from error
    return text


_NO_MCP = (
    "--mcp needs the package mcp, which is not installed. `python launch.py --mcp` installs it; in an environment of your own: "
    "`python -m pip install mcp -c constraints.txt`."
)


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Raise WebUIError for a folder that is named but not there."""
    for folder in (*arguments.ckpt_dir, *arguments.vae_dir, *arguments.embeddings_dir):
        if not folder.is_dir():
            raise WebUIError(f"There is no folder {folder.absolute()}.")
    others = _folders_of_other_programs(arguments)
    return Settings(
        data_dir=arguments.data_dir.absolute(),
        host=_host(arguments),
        port=arguments.port,
        checkpoint_dirs=(*arguments.ckpt_dir, *others["checkpoint"]),
        vae_dirs=(*arguments.vae_dir, *others["vae"]),
        lora_dirs=tuple(others["lora"]),
        embedding_dirs=(*arguments.embeddings_dir, *others["embedding"]),
        hypernetwork_dirs=tuple(others["hypernetwork"]),
        upscaler_dirs=tuple(others["upscaler"]),
        styles_files=tuple(arguments.styles_file),
        device=arguments.device,
        checkpoints_memory=arguments.checkpoints_memory,
        medvram=arguments.medvram,
        medvram_sdxl=arguments.medvram_sdxl,
        lowvram=arguments.lowvram,
        no_half=arguments.no_half,
        vae_precision=arguments.vae_precision,
        engine=arguments.engine,
        allowed_hosts=tuple(arguments.allowed_host),
        auth=arguments.auth,
        api_auth=arguments.api_auth,
        cors_origins=arguments.cors_allow_origins,
        cors_origins_regex=arguments.cors_allow_origins_regex,
        api_log=arguments.api_log,
        api_server_stop=arguments.api_server_stop,
        mcp=arguments.mcp,
        admin_password=arguments.admin_password or os.environ.get("PERIPLUS_ADMIN_PASSWORD") or None,
        open_browser=not arguments.no_browser,
        page=not arguments.nowebui,
        safe_mode=arguments.safe_mode,
    )


def check(given: Sequence[str]) -> None:
    """Raise WebUIError for flags with which a start would end: as a start would and in its order, but with nothing installed."""
    settings = settings_from(make_parser().parse_args(given))
    if settings.state_dir.is_dir():  # else nobody is in it
        FolderLock(settings.state_dir).release()
    listening_socket(settings).close()


def _host(arguments: argparse.Namespace) -> str:
    return "0.0.0.0" if arguments.listen else arguments.host


def _folders_of_other_programs(arguments: argparse.Namespace) -> Folders:
    homes = ((arguments.a1111_home, a1111_folders), (arguments.comfyui_home, comfyui_folders))
    return joined(find(home) for home, find in homes if home is not None)


def settings_folder(arguments: argparse.Namespace) -> Path:
    return arguments.data_dir.absolute()


def _fail(reason: str) -> int:
    print(f"Periplus could not be started. {reason}", file=sys.stderr)
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["new-extension"]:
        from webui.plugins import scaffold  # not before: --help must be quick

        return scaffold.main(given[1:])
    arguments = make_parser().parse_args(given)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)
    try:
        settings = settings_from(arguments)
        if settings.mcp and importlib.util.find_spec("mcp") is None:
            raise WebUIError(_NO_MCP)
        from webui import app  # not before: --help must be quick

        port = app.run(settings)
        if port is not None:
            from webui.jobs.restarting import begin_again

            return begin_again(given, port)
    except WebUIError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or settings_folder(arguments)}: {error.strerror or error}.")
    except KeyboardInterrupt:
        pass
    return 0
