"""Connections to Postgres, which a fleet shares: the address is the user's word, and every failure is one sentence."""
