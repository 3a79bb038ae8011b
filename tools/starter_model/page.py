"""The part of a page that is written by measuring, between two marks."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"


def around(document: Path) -> tuple[str, str]:
    """What stands before the measured part and after it; raise SystemExit where a mark is missing."""
    before, begin, rest = document.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document} has no place for what was measured: the lines {BEGIN} and {END}, in this order.")
    return before, after


def write_measured(document: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, after = around(document)
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")
