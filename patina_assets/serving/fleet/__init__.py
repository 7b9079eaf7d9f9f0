"""One question box for a company, behind a proxy that says who asks: a page, a JSON API and tools for agents."""
