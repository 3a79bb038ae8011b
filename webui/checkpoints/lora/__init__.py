"""LoRAs and their kin: small files that say how the weights of a checkpoint change.

`header` tells what a file is (light, for the front too), `keys` what the names in it say, `targets` which parameters a model has
and what files call them, `kinds` and `relative` how a changed weight follows from the tensors of each kind of file, and `reading`
puts all of it together.
"""
