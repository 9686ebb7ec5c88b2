"""`headwater worker`."""

from api.cli import interrupts


def worker() -> None:
    """Run operations and schedules without serving, until stopped by SIGINT or SIGTERM.

    For a distributed set-up: it needs HEADWATER_DATABASE_URL and HEADWATER_REDIS_URL. A server without them works by
    itself.
    """
    with interrupts.noticed():
        from api import settings
        from api.observability import logs
        from api.worker import work
    interrupts.check()

    loaded = settings.load()
    logs.configure(loaded.log_level)
    work(loaded)
