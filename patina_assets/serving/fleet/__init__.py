"""One question box for a company: a JSON API behind a proxy that says who asks."""
