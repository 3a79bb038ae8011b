"""LoRAs and their kin: small files that say how the weights of a checkpoint change.

`header` tells what a file is from its header (light, for the front too), `keys` which parameter of a model each tensor of a file
belongs to, `kinds` how a changed weight follows from the tensors, `reading` puts the three together.
"""
