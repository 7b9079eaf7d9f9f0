"""What many projects published to one Postgres: passages with vectors, and who may see them. Publishing and asking."""
