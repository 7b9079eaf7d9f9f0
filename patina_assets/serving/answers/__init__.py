"""What every door answers - the search page, the JSON API, MCP -: values for JSON, made of what a project knows."""
