"""The command line: one module per noun or verb, how they end in `exit_codes`.

Modules are light to import, because `headwater --help` reads them all: what a command needs for its work (the server,
HTTP, tables) is imported when it runs.
"""

import sys


def main() -> None:
    """The entry point. A ctrl-C that comes while Python still loads us ends as quietly as a later one.

    SIGTERM does what ctrl-C does. As the first process of a container we would not notice it at all without a handler.
    """
    try:
        import signal  # it takes a moment too

        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from api.cli.app import run

        code = run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
