"""Read weights from disk into modules: LDM single files and diffusers folders, without any network.

Modules are built on the meta device and get the mapped tensors assigned, so nothing is initialised in vain. Before a tensor
is read, all names and shapes are compared: a file that does not fit exactly is refused, for its pictures would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError, safe_open
from torch import Tensor

from webui.checkpoints.blueprint import Part, TensorSource
from webui.checkpoints.blueprints import read_blueprint, read_vae_part
from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.pipeline import Pipeline, assemble
from webui.checkpoints.skeletons import build_skeleton
from webui.errors import UnsupportedCheckpoint


def load_checkpoint(info: CheckpointInfo, device: torch.device, dtype: torch.dtype) -> Pipeline:
    """Raise UnsupportedCheckpoint, naming the file, where it cannot be loaded as it is."""
    with naming(info.path):
        blueprint = read_blueprint(info)
        modules = {part.name: load_part(part, device, dtype) for part in blueprint.parts}
        return assemble(blueprint, info, modules, device, dtype)


def load_vae(info: VaeInfo, device: torch.device, dtype: torch.dtype) -> AutoencoderKL:
    """A VAE file of its own, in LDM or diffusers layout."""
    with naming(info.path):
        return load_part(read_vae_part(info.path), device, dtype)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the sentence of what is wrong with it."""
    try:
        yield
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"{path.name} {error}.") from error.__cause__
    except (SafetensorError, OSError) as error:
        raise UnsupportedCheckpoint(f"{path.name} cannot be read: {error}.") from error


def load_part(part: Part, device: torch.device, dtype: torch.dtype) -> Any:
    """The part's module with its weights, for inference."""
    module = build_skeleton(part)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    sources = part.locate(shapes)
    with ExitStack() as stack:
        opened = {
            path: stack.enter_context(safe_open(path, framework="pt")) for path in {source.path for source in sources.values()}
        }
        state = {
            name: read(opened[source.path], source).reshape(shapes[name]).to(device, dtype) for name, source in sources.items()
        }
    module.load_state_dict(state, assign=True)
    return module.to(device)


def read(file: Any, source: TensorSource) -> Tensor:
    """The tensor as it lies in an open safetensors file, without a copy."""
    tensor = file.get_tensor(source.key)
    if source.rows is not None:
        tensor = tensor[source.rows[0] : source.rows[1]]
    return tensor.T if source.transposed else tensor
