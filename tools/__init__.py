"""Programs for those who work on Periplus; none of them is needed to run it."""
