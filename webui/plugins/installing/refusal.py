"""Why something is not installed, in words."""

from __future__ import annotations

from webui.errors import WebUIError


class InstallRefused(WebUIError):
    """What was found, what was expected, and what to do."""

    status = 422


class NotThere(InstallRefused):
    """No such extension, plan, backup or deletion."""

    status = 404
