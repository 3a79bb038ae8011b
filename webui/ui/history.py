"""The tab History, which the script draws from `/api/v1/history`."""

from __future__ import annotations

from webui.ui.script import host


def build() -> None:
    """Draw the tab: the script owns all of it."""
    host("history", "mountHistory", classes=["drawn"])
