"""Make the starter model: pictures → VAE → text encoder → UNet and text encoder → decoder → one file.

Needs the font and emojibase's names (see `sources.py`); fetches nothing. Run the same command again to go on after a stop.

    python -m tools.starter_model /tmp/run --emojibase package/en/data.json
    python -m tools.starter_model /tmp/run --emojibase package/en/data.json --device cuda --names 1150
"""

from tools.starter_model.making import main

if __name__ == "__main__":
    main(__doc__ or "")
