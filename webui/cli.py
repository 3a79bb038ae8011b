"""The command line. Standard library only until it is known that something is to be started."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from webui import __version__
from webui.errors import WebUIError
from webui.settings import Settings

#: No request leaves the machine unless a person asks for a download.
OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webui", description="Periplus: a browser-based web UI for Stable Diffusion.", epilog="docs/ has the manual."
    )
    add = parser.add_argument
    add("--host", default=Settings.host, help="address to listen on (default: %(default)s, this machine only)")
    add("--listen", action="store_true", help="listen on all addresses, so that other machines can reach the page")
    add("--allowed-host", action="append", default=[], metavar="NAME", help="a name under which browsers may reach the page")
    add("--port", type=_port, default=Settings.port, help="default: %(default)s, or the next that is free; 0: any")
    add("--data-dir", type=Path, default=Path(), help="where models, outputs and settings lie (default: this folder)")
    add("--ckpt-dir", type=Path, action="append", default=[], metavar="DIR", help="one more folder of checkpoints")
    add("--vae-dir", type=Path, action="append", default=[], metavar="DIR", help="one more folder of VAEs")
    add("--styles-file", action="append", default=[], metavar="FILE", help="styles, instead of styles.csv; may hold wildcards")
    add("--device", help="cpu, cuda:0, mps … (default: the best there is)")
    add("--engine", choices=("process", "inline"), default=Settings.engine, help="inline: in this process, for debugging")
    add("--no-browser", action="store_true", help="do not open the page in a browser")
    add("--nowebui", action="store_true", help="the HTTP API only, no page")
    add("--version", action="version", version=f"Periplus {__version__}")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port; 0 to 65535 are")
    return port


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Raise WebUIError for a folder that is named but not there."""
    for folder in (*arguments.ckpt_dir, *arguments.vae_dir):
        if not folder.is_dir():
            raise WebUIError(f"There is no folder {folder.absolute()}.")
    return Settings(
        data_dir=arguments.data_dir.absolute(),
        host="0.0.0.0" if arguments.listen else arguments.host,
        port=arguments.port,
        checkpoint_dirs=tuple(arguments.ckpt_dir),
        vae_dirs=tuple(arguments.vae_dir),
        styles_files=tuple(arguments.styles_file),
        device=arguments.device,
        engine=arguments.engine,
        allowed_hosts=tuple(arguments.allowed_host),
        open_browser=not arguments.no_browser,
        page=not arguments.nowebui,
    )


def settings_folder(arguments: argparse.Namespace) -> Path:
    return arguments.data_dir.absolute()


def _fail(reason: str) -> int:
    print(f"Periplus could not be started. {reason}", file=sys.stderr)
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    arguments = make_parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    try:
        settings = settings_from(arguments)
        from webui import app  # not before: --help must be quick

        app.run(settings)
    except WebUIError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or settings_folder(arguments)}: {error.strerror or error}.")
    except KeyboardInterrupt:
        pass
    return 0
