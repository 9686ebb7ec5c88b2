"""Use cases: authorise → load → decide → save → record the event. They know no GraphQL, no SQL and no driver."""
