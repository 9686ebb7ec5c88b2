"""Needs: what the services ask of the world, as Protocols. Adapters live in connectors, persistence and api."""
