"""Folders, addresses and devices: what is fixed for the life of the process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BUNDLED_MODELS = Path(__file__).resolve().parent.parent / "models"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Decided by the command line, before anything starts. What a person changes in the page is in `storage/preferences.py`."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 7860
    checkpoint_dirs: tuple[Path, ...] = ()
    vae_dirs: tuple[Path, ...] = ()
    styles_files: tuple[str, ...] = ()  # paths, which may hold wildcards; none: styles.csv in the data folder
    device: str | None = None  # "cpu", "cuda:0", "mps"; None: the best there is
    engine: str = "process"  # or "inline": a thread of this process, for tests and debugging
    allowed_hosts: tuple[str, ...] = ()  # names, beside loopback and plain addresses, that a Host header may carry
    open_browser: bool = True
    page: bool = True  # False: the HTTP API only

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
    def preferences_file(self) -> Path:
        return self.data_dir / "settings.toml"

    @property
    def all_checkpoint_dirs(self) -> tuple[Path, ...]:
        """The data folder's own, the ones named by --ckpt-dir, and the bundled model's."""
        own = (self.models_dir / "Stable-diffusion", *self.checkpoint_dirs, BUNDLED_MODELS / "Stable-diffusion")
        return tuple(dict.fromkeys(folder.absolute() for folder in own))

    @property
    def all_vae_dirs(self) -> tuple[Path, ...]:
        own = (self.models_dir / "VAE", *self.vae_dirs)
        return tuple(dict.fromkeys(folder.absolute() for folder in own))
