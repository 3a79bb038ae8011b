"""Where a test draws controls: a page of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from webui.ui.blocks import running_loop


@contextmanager
def a_page() -> Iterator[gr.Blocks]:
    with running_loop(), gr.Blocks(analytics_enabled=False) as page:
        yield page
