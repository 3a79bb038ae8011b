"""How prompts are edited: keys, completion, counters. Names and labels are A1111's where it has the setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param

EDITING = "editing"


@dataclass(frozen=True, kw_only=True)
class EditingPreferences:
    """See `Preferences`. The page's script reads all of them."""

    keyedit_precision_attention: Annotated[
        float, Param("Precision for (attention:1.1) when editing the prompt with Ctrl+up/down", low=0.01, high=0.2, group=EDITING)
    ] = 0.1
    keyedit_precision_extra: Annotated[
        float, Param("Precision for <lora:name:0.9> when editing the prompt with Ctrl+up/down", low=0.01, high=0.2, group=EDITING)
    ] = 0.05
    keyedit_delimiters: Annotated[
        str,
        Param(
            "Word delimiters when editing the prompt with Ctrl+up/down",
            max_length=200,
            group=EDITING,
            help="Where a word ends whose weight is changed.",
        ),
    ] = r".,\/!?%^*;:{}=`~() "
    keyedit_delimiters_whitespace: Annotated[
        str,
        Param(
            "Ctrl+up/down whitespace delimiters",
            choices=("Tab", "Carriage Return", "Line Feed"),
            several=True,
            group=EDITING,
        ),
    ] = "Tab, Carriage Return, Line Feed"
    keyedit_move: Annotated[bool, Param("Alt+left/right moves prompt elements", group=EDITING)] = True
    disable_token_counters: Annotated[
        bool, Param("Disable prompt token counters", group=EDITING, help="Brackets are then not checked either.")
    ] = False
    include_styles_into_token_counters: Annotated[bool, Param("Count tokens of enabled styles", group=EDITING)] = True
    complete_names: Annotated[
        bool,
        Param(
            "Complete names while typing",
            group=EDITING,
            help="LoRAs, embeddings, wildcards, styles, and the words that LoRAs react to.",
        ),
    ] = True
    complete_tags: Annotated[
        bool, Param("Complete tags while typing", group=EDITING, help="Of the lists (.csv) in tags/ in the data folder.")
    ] = True
    complete_comma: Annotated[bool, Param("Put a comma behind what was completed", group=EDITING)] = True
    tag_underscores: Annotated[
        bool, Param("Keep the underscores of tags", group=EDITING, help="Otherwise they become spaces.")
    ] = False
