import os
import signal

import pytest

from api.cli import interrupts


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_it_raises_at_once():
    with interrupts.noticed(), pytest.raises(KeyboardInterrupt):
        interrupt()
    interrupts.handled()


def test_one_that_got_lost_is_raised_at_the_next_look():
    with interrupts.noticed():
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        interrupts.handled()
        interrupts.check()


def test_what_is_being_started_is_not_disturbed_by_the_first_one():
    with interrupts.noticed():
        with interrupts.undisturbed():
            interrupt()
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        interrupts.handled()
        with interrupts.undisturbed():
            interrupt()
            with pytest.raises(KeyboardInterrupt):
                interrupt()
        interrupts.handled()


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with interrupts.noticed():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
