"""Folders, addresses and devices: what is fixed for the life of the process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BUNDLED_MODELS = Path(__file__).resolve().parent.parent / "models"
BUNDLED_EXTENSIONS = Path(__file__).resolve().parent.parent / "extensions"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Decided by the command line, before anything starts. What a person changes in the page is in `storage/preferences.py`."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 7860
    checkpoint_dirs: tuple[Path, ...] = ()
    vae_dirs: tuple[Path, ...] = ()
    lora_dirs: tuple[Path, ...] = ()
    embedding_dirs: tuple[Path, ...] = ()
    hypernetwork_dirs: tuple[Path, ...] = ()
    upscaler_dirs: tuple[Path, ...] = ()
    styles_files: tuple[str, ...] = ()  # paths, which may hold wildcards; none: styles.csv in the data folder
    device: str | None = None  # "cpu", "cuda:0", "mps"; None: the best there is
    medvram: bool = False  # one part of a model on the device at a time
    medvram_sdxl: bool = False  # the same for SDXL alone
    lowvram: bool = False  # the UNet block by block
    checkpoints_memory: float | None = None  # GB of weights that stay in memory; None: by what is free
    no_half: bool = False  # everything in float32
    vae_precision: str | None = None  # "fp32", "fp16", "bf16"; None: the best for the device
    engine: str = "process"  # or "inline": a thread of this process, for tests and debugging
    allowed_hosts: tuple[str, ...] = ()  # names, beside loopback and plain addresses, that a Host header may carry
    auth: tuple[tuple[str, str], ...] = ()  # names and passwords for everything; none: no password is asked for
    api_auth: tuple[tuple[str, str], ...] = ()  # for the HTTP APIs, and for the page too where `auth` is empty
    cors_origins: tuple[str, ...] = ()  # pages of these origins may use the APIs; "*": all
    cors_origins_regex: str | None = None
    api_log: bool = False  # a line for each call of an API
    api_server_stop: bool = False  # the APIs may stop and restart the program
    mcp: bool = False  # assistants may make pictures, by the Model Context Protocol
    admin_password: str | None = None  # lets other machines change the extensions; None: only this one may
    open_browser: bool = True
    page: bool = True  # False: the HTTP API only
    safe_mode: bool = False  # no extension is loaded

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def outputs_dir(self) -> Path:
        return self.data_dir / "outputs"

    @property
    def state_dir(self) -> Path:
        """The job database, unsaved pictures and caches: everything that may be deleted with the program stopped."""
        return self.data_dir / "state"

    @property
    def sources_dir(self) -> Path:
        """Source pictures and masks, by content."""
        return self.state_dir / "sources"

    @property
    def preferences_file(self) -> Path:
        return self.data_dir / "settings.toml"

    @property
    def localisations_dir(self) -> Path:
        """Languages of the page in A1111's form, a JSON file each."""
        return self.data_dir / "localizations"

    @property
    def form_defaults_file(self) -> Path:
        """What the forms begin with, where a person chose that."""
        return self.data_dir / "form-defaults.toml"

    @property
    def extension_choices_file(self) -> Path:
        """Which extensions are switched off."""
        return self.data_dir / "extensions.toml"

    @property
    def extension_dirs(self) -> tuple[Path, ...]:
        """Folders with a folder for each extension: the data folder's, and those that come with the program."""
        return _distinct(self.data_dir / "extensions", BUNDLED_EXTENSIONS)

    @property
    def all_checkpoint_dirs(self) -> tuple[Path, ...]:
        """The data folder's own, the ones named by --ckpt-dir or of another program, and the bundled model's."""
        return _distinct(self.models_dir / "Stable-diffusion", *self.checkpoint_dirs, BUNDLED_MODELS / "Stable-diffusion")

    @property
    def all_vae_dirs(self) -> tuple[Path, ...]:
        return _distinct(self.models_dir / "VAE", *self.vae_dirs)

    @property
    def all_lora_dirs(self) -> tuple[Path, ...]:
        return _distinct(self.models_dir / "Lora", self.models_dir / "LyCORIS", *self.lora_dirs)

    @property
    def all_embedding_dirs(self) -> tuple[Path, ...]:
        return _distinct(self.data_dir / "embeddings", *self.embedding_dirs)

    @property
    def all_hypernetwork_dirs(self) -> tuple[Path, ...]:
        return _distinct(self.models_dir / "hypernetworks", *self.hypernetwork_dirs)

    @property
    def all_upscaler_dirs(self) -> tuple[Path, ...]:
        own = (self.models_dir / name for name in ("ESRGAN", "RealESRGAN", "SwinIR", "ScuNET", "DAT", "HAT"))
        return _distinct(*own, *self.upscaler_dirs)


def _distinct(*folders: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folder.absolute() for folder in folders))
