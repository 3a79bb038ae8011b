"""`/mcp`: the program as tools for assistants that speak the Model Context Protocol. Only with `--mcp`; see docs/mcp.md."""
