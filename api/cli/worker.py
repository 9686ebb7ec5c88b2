"""`headwater worker`."""


def worker() -> None:
    """Run operations and schedules without serving, until stopped by SIGINT or SIGTERM.

    For a distributed set-up: it needs HEADWATER_DATABASE_URL and HEADWATER_REDIS_URL. A server without them works by
    itself.
    """
    from api import settings
    from api.observability import logs
    from api.worker import work

    loaded = settings.load()
    logs.configure(loaded.log_level)
    work(loaded)
