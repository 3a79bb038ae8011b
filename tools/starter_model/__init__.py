"""The training program of the bundled model: a very small text-to-image model in the layout of Stable Diffusion 1.x.

`python -m tools.starter_model --help` tells how to run it, `docs/starter-model.md` what it made.
"""
