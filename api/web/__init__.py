"""GraphQL over HTTP, sockets and event streams; who may come in; probes. It decides nothing about data."""
