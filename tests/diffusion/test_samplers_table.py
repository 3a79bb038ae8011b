"""`docs/samplers.md` says what the samplers are now."""

from __future__ import annotations

import re

from tests.diffusion.references import REFERENCES
from tests.diffusion.samplers_table import DOCUMENT, INTRODUCTION, MEASURES, NOTES, methods, same_as
from webui.diffusion.samplers import SAMPLERS

AGAIN = "write it again by `python -m tests.diffusion.samplers_table`"


def test_the_document_is_up_to_date():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(part in text for part in (INTRODUCTION, methods(), MEASURES, NOTES)), AGAIN


def test_the_document_has_a_measurement_of_every_sampler_that_keeps_to_the_limit():
    measured = DOCUMENT.read_text(encoding="utf-8").split(MEASURES)[1]
    rows = [re.split(r" *\| *", row.strip("| ")) for row in measured.splitlines() if row.startswith("| ")][2:]
    assert [row[0] for row in rows] == list(SAMPLERS), AGAIN
    assert [row[3] for row in rows] == [same_as(name) for name in SAMPLERS], AGAIN
    compared = {reference.name for reference in REFERENCES}
    assert {row[0] for row in rows if row[4] != "–"} == compared, AGAIN
    assert all(float(row[4]) <= 1e-4 for row in rows if row[4] != "–")
