"""Parts of a model in turn on a device that is too small for all of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.simulated_device import SimulatedDevice
from webui.checkpoints.memory import MemoryMode, bytes_of
from webui.checkpoints.offload import CopyStream, Placement, Streamed, Weights, blocks_of

WIDTH = 16
LAYER = WIDTH * WIDTH * 4 + WIDTH * 4  # bytes of one layer
INPUT = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))


class Chain(nn.Module):
    """Layers in a list, which is never called itself, and a number of its own."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers))
        self.shift = nn.Parameter(torch.ones(WIDTH))
        self.register_buffer("scale", torch.full((WIDTH,), 2.0))

    def forward(self, values: Tensor) -> Tensor:
        for layer in self.layers:
            values = torch.tanh(layer(values))
        return torch.addcmul(self.shift, values, self.get_buffer("scale"))


@pytest.fixture
def parts() -> dict[str, list[nn.Module]]:
    torch.manual_seed(0)
    made: dict[str, list[nn.Module]] = {"text_encoders": [Chain(2), Chain(1)], "unet": [Chain(6)], "vae": [Chain(1)]}
    for modules in made.values():
        for module in modules:
            module.requires_grad_(False)
    return made


def size(modules: list[nn.Module]) -> int:
    return sum(bytes_of([*module.parameters(), *module.buffers()]) for module in modules)


def compute(placement: Placement, parts: dict[str, list[nn.Module]], rounds: int = 3) -> list[Tensor]:
    """What a job does: the prompt once, then UNet and VAE for each picture."""
    made = []
    with torch.inference_mode(), placement:
        with placement.using("text_encoders"):
            made += [module(INPUT) for module in parts["text_encoders"]]
        for _ in range(rounds):
            for name in ("unet", "unet", "vae"):
                with placement.using(name):
                    made += [module(INPUT) for module in parts[name]]
    return made


def everything(parts: dict[str, list[nn.Module]]) -> list[Tensor]:
    return [module(INPUT) for name in ("text_encoders", *("unet", "unet", "vae") * 3) for module in parts[name]]


@pytest.mark.parametrize("mode", MemoryMode)
def test_numbers_are_the_same_bit_for_bit_and_weights_are_home_again(mode: MemoryMode, parts: dict[str, list[nn.Module]]):
    wanted = everything(parts)
    before = {id(tensor): tensor.data_ptr() for modules in parts.values() for module in modules for tensor in module.parameters()}
    device = SimulatedDevice(2**20)
    made = compute(Placement(parts, device, mode), parts)
    assert all(torch.equal(one, other) for one, other in zip(made, wanted, strict=True))
    if mode is not MemoryMode.RESIDENT:
        for modules in parts.values():
            assert all(tensor.data_ptr() == before[id(tensor)] for module in modules for tensor in module.parameters())
        del made
        assert device.used == 0


def test_resident_parts_are_copied_once(parts: dict[str, list[nn.Module]]):
    device = SimulatedDevice(2**20)
    compute(Placement(parts, device, MemoryMode.RESIDENT), parts)
    compute(Placement(parts, device, MemoryMode.RESIDENT), parts)
    assert sum(device.uploads) == sum(size(modules) for modules in parts.values())


def test_one_part_is_there_at_a_time_and_the_text_encoders_come_once(parts: dict[str, list[nn.Module]]):
    device = SimulatedDevice(2**20)
    compute(Placement(parts, device, MemoryMode.COMPONENT), parts, rounds=3)
    wanted = size(parts["text_encoders"]) + 3 * (size(parts["unet"]) + size(parts["vae"]))
    assert sum(device.uploads) == wanted
    activations = 12 * INPUT.nbytes
    assert device.peak() <= max(size(modules) for modules in parts.values()) + activations


def test_streamed_blocks_are_there_one_at_a_time(parts: dict[str, list[nn.Module]]):
    (unet,) = parts["unet"]
    device = SimulatedDevice(2**20)
    streamed = Streamed(unet, device, 0, LAYER)
    streamed.begin()
    with torch.inference_mode(), device.working():
        unet(INPUT)
    assert device.uploads == [WIDTH * 4] * 2 + [WIDTH * WIDTH * 4, WIDTH * 4] * 6
    assert device.peak() <= LAYER + 2 * WIDTH * 4 + 8 * INPUT.nbytes
    streamed.park()
    assert device.used == 0
    unet(INPUT)
    assert len(device.uploads) == 14  # the hooks are gone


def test_streamed_blocks_that_are_kept_come_once(parts: dict[str, list[nn.Module]]):
    (unet,) = parts["unet"]
    device = SimulatedDevice(2**20)
    streamed = Streamed(unet, device, 4 * LAYER, LAYER)
    streamed.begin()
    with torch.inference_mode(), device.working():
        unet(INPUT)
        unet(INPUT)
    assert sum(device.uploads) == 2 * WIDTH * 4 + 4 * LAYER + 2 * 2 * LAYER
    streamed.park()


@pytest.mark.parametrize("mode", [MemoryMode.COMPONENT, MemoryMode.STREAMED])
def test_weights_come_home_when_memory_runs_out_in_the_middle(mode: MemoryMode, parts: dict[str, list[nn.Module]]):
    device = SimulatedDevice(LAYER + 600)
    wanted = everything(parts)
    with pytest.raises(torch.OutOfMemoryError):
        compute(Placement(parts, device, mode), parts)
    assert device.used == 0
    assert all(torch.equal(one, other) for one, other in zip(everything(parts), wanted, strict=True))


def test_weights_that_live_on_the_device_can_be_parked(parts: dict[str, list[nn.Module]]):
    device = SimulatedDevice(2**20)
    wanted = everything(parts)
    compute(Placement(parts, device, MemoryMode.RESIDENT), parts)
    assert device.used == sum(size(modules) for modules in parts.values())
    made = compute(Placement(parts, device, MemoryMode.COMPONENT), parts)
    assert all(torch.equal(one, other) for one, other in zip(made, wanted, strict=True))
    del made
    assert device.used == 0


@pytest.mark.parametrize("mode", MemoryMode)
def test_part_that_was_changed_is_used_with_its_new_weights(mode: MemoryMode, parts: dict[str, list[nn.Module]]):
    device = SimulatedDevice(2**20)
    (vae,) = parts["vae"]
    with torch.inference_mode(), Placement(parts, device, mode) as placement:
        with placement.using("vae"):
            vae(INPUT)
        with placement.changing("vae"):
            for tensor in (*vae.parameters(), *vae.buffers()):
                assert not device.holds(tensor)
                tensor.data = torch.zeros_like(tensor, dtype=torch.float64)
        with placement.using("vae"):
            assert device.holds(next(vae.parameters()))
            assert torch.equal(vae(INPUT.double()), torch.zeros(3, WIDTH, dtype=torch.float64))


def test_blocks_are_as_large_as_allowed_and_lists_are_never_one():
    chain = Chain(3)
    nested = nn.Sequential(chain, nn.Linear(WIDTH, WIDTH), nn.ReLU())
    assert blocks_of(nested, LAYER) == [*chain.layers, nested[1]]
    assert blocks_of(nested, 10 * LAYER) == [nested]
    assert blocks_of(nn.ModuleList([chain]), 10 * LAYER) == [chain]


class TracedCopies:
    """Stands in for the copy stream of a CUDA device, and notes what is asked of it."""

    def __init__(self) -> None:
        self.ahead: set[Weights] = set()
        self.there = self.most = 0

    def bring_ahead(self, weights: Weights) -> None:
        weights.bring()
        self.ahead.add(weights)
        self.there += 1
        self.most = max(self.most, self.there)

    def bring(self, weights: Weights) -> None:
        if weights not in self.ahead:
            self.bring_ahead(weights)
        self.ahead.discard(weights)

    def drop(self, there: list[Tensor]) -> None:
        self.there -= 1

    def finish(self) -> None:
        self.ahead.clear()


def test_from_the_second_call_on_each_block_comes_while_the_one_before_works(
    parts: dict[str, list[nn.Module]], monkeypatch: pytest.MonkeyPatch
):
    (unet,) = parts["unet"]
    copies = TracedCopies()
    monkeypatch.setattr(CopyStream, "of", lambda device: copies)
    monkeypatch.setattr(Weights, "pin", lambda weights: None)
    device = SimulatedDevice(2**20)
    wanted = unet(INPUT)
    streamed = Streamed(unet, device, 0, LAYER)
    streamed.begin()
    with torch.inference_mode(), device.working():
        unet(INPUT)
        assert (copies.most, len(copies.ahead)) == (1, 0)  # the order is not known yet
        assert torch.equal(unet(INPUT), wanted)
        assert (copies.most, len(copies.ahead)) == (2, 1)  # the first of the next call waits already
    streamed.park()
    assert device.used < LAYER
