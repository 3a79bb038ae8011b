"""How much memory is in use, now and at most, of the device and of this process."""

from __future__ import annotations

import threading

import psutil

from webui.checkpoints.memory import Device
from webui.engine.protocol import Memory


class MemoryGauge:
    """Peaks count from `begin` on. A CUDA device counts its own; others are what was seen at a `read`. Thread-safe."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._peak = self._host_peak = 0

    def begin(self) -> None:
        """A job begins."""
        with self._lock:
            self._peak = self._host_peak = 0
            self._device.begin_peak()

    def read(self) -> Memory:
        total, free = self._device.figures()
        host = self._process.memory_info().rss
        with self._lock:
            self._peak = max(self._peak, self._device.peak(), total - free)
            self._host_peak = max(self._host_peak, host)
            return Memory(total, free, self._peak, host, self._host_peak, psutil.virtual_memory().total)
