"""Periplus: a browser-based web UI for Stable Diffusion."""

__version__ = "0.1.0"
