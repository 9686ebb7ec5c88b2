"""What ends a command before its time."""

from api.cli.exit_codes import ExitCode


class Stop(Exception):
    """Ends the command: a sentence that names the next step, and an exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
