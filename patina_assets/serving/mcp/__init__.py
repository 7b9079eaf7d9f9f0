"""The door for agents: the answers of `serving/answers`, short, as tools of the Model Context Protocol (MCP)."""
