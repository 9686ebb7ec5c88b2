"""The event log and its live side: the table is the truth, the feed hands it out, Redis only rings and caches."""
