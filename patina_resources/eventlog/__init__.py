"""The eventlog: schema, reader, writer, and the tables derived from it."""
