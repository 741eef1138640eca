"""What a system test expects, and how it waits for it."""
import time


class Failed(Exception):
    """A test's expectation that did not hold."""


class Skipped(Exception):
    """This machine, or this run, does not have what a test needs."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def check_equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: got {shorten(got)}, wanted {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"


def wait_until(condition, what, seconds=30.0):
    """Polls until condition() is true and returns what it returned; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)
