"""Who asks and how it runs: GraphQL, web, jobs, settings, wiring. It decides nothing about data."""
