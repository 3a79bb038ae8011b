"""What the description of the API shows as a body, to begin with in /docs."""

from __future__ import annotations

from typing import Any

#: A picture of one pixel, as base64.
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

#: How a source picture is named in `/api/v1`.
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def example(**values: Any) -> dict[str, Any]:
    """For `json_schema_extra` of a model, whose fields these are."""
    return {"examples": [values]}
