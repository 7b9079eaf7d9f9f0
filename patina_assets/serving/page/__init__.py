"""The files of the search page, as the browser gets them."""
