"""The tab Extensions, which the script draws from `/api/v1/extensions`."""

from __future__ import annotations

from webui.ui.script import host


def build() -> None:
    """Draw the tab: the script owns all of it."""
    host("extensions", "mountExtensions", classes=["drawn"])
