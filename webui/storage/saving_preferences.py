"""How pictures are written: what a person chose of formats, names and folders. Names and labels are A1111's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.storage.name_patterns import PATTERN_MOST, check_pattern

FILE_FORMATS = ("png", "jpg", "webp", "avif")

SAVING, DIRECTORIES, ADDRESSES = "saving", "directories", "addresses"


@dataclass(frozen=True, kw_only=True)
class SavingPreferences:
    """See `Preferences`. None of them changes what a picture is made of."""

    samples_format: Annotated[
        str,
        Param(
            "File format for images", choices=FILE_FORMATS, group=SAVING, help="A picture too large for its format becomes a PNG."
        ),
    ] = "png"
    grid_format: Annotated[str, Param("File format for grids", choices=FILE_FORMATS, group=SAVING)] = "png"
    jpeg_quality: Annotated[
        int,
        Param("Quality for saved jpeg and avif images", low=1, high=100, step=1, group=SAVING, help="Also for webp with losses."),
    ] = 80
    webp_lossless: Annotated[bool, Param("Use lossless compression for webp images", group=SAVING)] = False
    enable_pnginfo: Annotated[
        bool, Param("Write infotext to metadata of the generated image", group=SAVING, help="Without it PNG Info finds nothing.")
    ] = True
    save_txt: Annotated[
        bool,
        Param("Create a text file next to every image with generation parameters", group=SAVING, help="As the picture, .txt."),
    ] = False
    samples_filename_pattern: Annotated[
        str,
        Param(
            "Images filename pattern",
            max_length=PATTERN_MOST,
            group=SAVING,
            help="As in [seed]-[prompt_words]; docs/saving.md has all of them. Empty: [seed], and [seed]-[prompt_spaces] without "
            "subdirectories.",
        ),
    ] = ""
    save_images_add_number: Annotated[bool, Param("Add number to filename when saving", group=SAVING)] = True
    grid_zip_filename_pattern: Annotated[
        str,
        Param(
            "Archive filename pattern",
            max_length=PATTERN_MOST,
            group=SAVING,
            help="Of the button Zip. Empty: the time, the model and the seeds.",
        ),
    ] = ""
    save_write_log_csv: Annotated[
        bool,
        Param('Write log.csv when saving images using "Save" button', group=SAVING, help="In log/images of the data folder."),
    ] = True

    save_to_dirs: Annotated[bool, Param("Save images to a subdirectory", group=DIRECTORIES)] = True
    grid_save_to_dirs: Annotated[bool, Param("Save grids to a subdirectory", group=DIRECTORIES)] = True
    use_save_to_dirs_for_ui: Annotated[
        bool, Param('When using "Save" button, save images to a subdirectory', group=DIRECTORIES)
    ] = False
    directories_filename_pattern: Annotated[
        str,
        Param(
            "Directory name pattern", max_length=PATTERN_MOST, group=DIRECTORIES, help="As in [date]/[model_name]. Empty: [date]."
        ),
    ] = "[date]"
    directories_max_prompt_words: Annotated[
        int, Param("Max prompt words for [prompt_words] pattern", low=1, high=20, step=1, group=DIRECTORIES)
    ] = 8

    api_enable_requests: Annotated[
        bool,
        Param(
            "Allow http:// and https:// URLs for input images",
            group=ADDRESSES,
            help="In PNG Info and in the API. Addresses of this machine and of its private network are never asked.",
        ),
    ] = False

    def check_patterns(self) -> None:
        """Raise InvalidRequest, naming the setting, for a pattern that cannot be meant."""
        check_pattern("samples_filename_pattern", self.samples_filename_pattern)
        check_pattern("grid_zip_filename_pattern", self.grid_zip_filename_pattern)
        check_pattern("directories_filename_pattern", self.directories_filename_pattern, folders=True)
