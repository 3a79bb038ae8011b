"""The look, in Gradio's theme tokens: neutral greys, one deep sea blue, system fonts, compact controls, light and dark."""

from __future__ import annotations

from gradio.themes import Base, Color, Size

SEA = Color(
    name="sea",
    c50="#eef6fa",
    c100="#d6e9f3",
    c200="#aed3e7",
    c300="#7cb7d5",
    c400="#4a97bf",
    c500="#2479a5",
    c600="#12628d",
    c700="#0e4f73",
    c800="#0c3f5c",
    c900="#0a3148",
    c950="#061f2f",
)

GREY = Color(
    name="grey",
    c50="#f8f9fa",
    c100="#f1f3f4",
    c200="#e3e6e8",
    c300="#cdd2d5",
    c400="#9aa2a8",
    c500="#6b747b",
    c600="#50585e",
    c700="#3a4146",
    c800="#262b2f",
    c900="#191d20",
    c950="#111416",
)

_SPACING = Size(name="compact", xxs="2px", xs="3px", sm="4px", md="6px", lg="8px", xl="12px", xxl="16px")
_RADIUS = Size(name="calm", xxs="2px", xs="4px", sm="6px", md="8px", lg="8px", xl="8px", xxl="12px")
_TEXT = Size(name="plain", xxs="11px", xs="12px", sm="13px", md="14px", lg="15px", xl="18px", xxl="24px")

# Names of fonts that the systems bring; nothing is fetched.
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]


def make_theme() -> Base:
    """The one theme of the page; the style sheet uses the same tokens."""
    theme = Base(
        primary_hue=SEA,
        secondary_hue=SEA,
        neutral_hue=GREY,
        spacing_size=_SPACING,
        radius_size=_RADIUS,
        text_size=_TEXT,
        font=_FONTS,
        font_mono=_MONO,
    )
    theme.name = "periplus"
    return theme.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_950",
        border_color_primary="*neutral_300",
        border_color_primary_dark="*neutral_700",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        color_accent="*primary_600",
        checkbox_border_radius="4px",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="*primary_900",
        link_text_color="*primary_600",
        link_text_color_dark="*primary_300",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="0px",
        block_shadow="none",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_300",
        block_title_text_size="*text_sm",
        block_title_text_weight="500",
        block_title_background_fill="transparent",
        block_title_border_width="0px",
        block_title_padding="0px",
        panel_background_fill="transparent",
        form_gap_width="0px",
        layout_gap="10px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        input_padding="6px 10px",
        input_radius="8px",
        input_shadow="none",
        input_shadow_focus="0 0 0 2px *primary_200",
        input_shadow_focus_dark="0 0 0 2px *primary_800",
        input_text_size="*text_md",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        # Of colours alone: Gradio's own is of everything, so that buttons grew for a moment when a tablet was turned.
        button_transition="color 0.2s, background-color 0.2s, border-color 0.2s, box-shadow 0.2s",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_primary_shadow="none",
        button_primary_shadow_hover="none",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_200",
        button_secondary_shadow="none",
        button_secondary_shadow_hover="none",
        button_border_width="1px",
        button_large_radius="8px",
        button_medium_radius="8px",
        button_small_radius="8px",
        button_large_padding="8px 16px",
        checkbox_background_color_selected="*primary_600",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_border_width="0px",
        checkbox_label_padding="6px 0",
    )
