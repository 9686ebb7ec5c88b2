"""The removal guard: a discovery that would remove much of a catalog asks first; the usual cause is a lost grant."""

MIN_TABLES = 10
DEFAULT_MAX_SHARE = 0.2


def needs_confirmation(removed: int, current: int, max_share: float = DEFAULT_MAX_SHARE) -> str | None:
    """Why somebody must agree before `removed` of `current` tables go: 10 or more, and above `max_share` (0 to 1)."""
    if removed < MIN_TABLES or removed <= max_share * current:
        return None
    return (
        f"This would remove {removed} of {current} tables ({removed / current:.0%}), more than the {max_share:.0%} "
        "that may go unasked. If they are only out of sight (a lost privilege, another database at the same address), "
        "mend that instead."
    )
