"""All pictures in the output folders: an index to search and filter them, small ones for the page, a trash that can be undone."""
