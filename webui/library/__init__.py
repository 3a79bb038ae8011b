"""The files of models and what is done with them beside jobs: lists, notes, hashes, downloads, conversion, merging."""
