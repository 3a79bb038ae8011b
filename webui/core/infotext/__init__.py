"""Infotext: the settings of a picture as text, in the form that A1111 gave it, so that pictures travel between programs.

    <prompt, any number of lines>
    Negative prompt: <negative prompt, any number of lines; absent when empty>
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 512x512, …

The keys of fields come from their `Param`; what is written beside them (hashes, version) is handed over as `facts`.
"""

from webui.core.infotext.reading import NEGATIVE, Infotext, parse
from webui.core.infotext.restoring import Restored, restore
from webui.core.infotext.writing import format, line_of

__all__ = ["NEGATIVE", "Infotext", "Restored", "format", "line_of", "parse", "restore"]
