"""A person at a terminal: dfsctl through a pseudo-terminal, what is typed and what is seen."""
import codecs
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from checks import Failed, check, check_equal, shorten, wait_until

PROMPT = re.compile(r"zdfs:\S*> ")
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([@-~])|\x1b[()][A-Z0-9]|\x1b[=>]")
COLUMNS = 400  # no line of ours is longer
CTRL_C = "\x03"
CTRL_D = "\x04"
UP = "\x1b[A"


class Screen:
    """What a terminal shows, for ever long: rows of text, of which the last is being changed."""

    def __init__(self):
        self.rows = [""]
        self.column = 0
        self.inserts = False  # rather than to overwrite
        self.pending = ""  # the beginning of an escape sequence
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")

    def write(self, data):
        text = self.pending + self.decoder.decode(data)
        self.pending = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = SEQUENCE.match(text, at)
                if not match:
                    self.pending = text[at:]
                    return
                self._sequence(int((match.group(1) or "").lstrip("?").split(";")[0] or 0),
                               match.group(2) or "")
                at = match.end()
                continue
            self._letter(text[at])
            at += 1

    def _letter(self, letter):
        if letter == "\n":
            self.rows.append("")
            self.column = 0
        elif letter == "\r":
            self.column = 0
        elif letter == "\b":
            self.column = max(0, self.column - 1)
        elif letter >= " ":
            if self.column == COLUMNS:
                self.rows.append("")
                self.column = 0
            row = self.rows[-1].ljust(self.column)
            rest = row[self.column + (0 if self.inserts else 1):]
            self.rows[-1] = row[:self.column] + letter + rest
            self.column += 1

    def _sequence(self, number, kind):
        row = self.rows[-1].ljust(self.column)
        count = max(1, number)
        if kind == "C":
            self.column += count
        elif kind == "D":
            self.column = max(0, self.column - count)
        elif kind == "G":
            self.column = count - 1
        elif kind == "K":
            self.rows[-1] = row[:self.column]
        elif kind == "P":
            self.rows[-1] = row[:self.column] + row[self.column + count:]
        elif kind in ("h", "l") and number == 4:
            self.inserts = kind == "h"
        elif kind == "@":
            self.rows[-1] = row[:self.column] + " " * count + row[self.column:]


class Terminal:
    """One program on a terminal of its own; everything it shows is looked at in order."""

    def __init__(self, cluster, *arguments, directory=None, environment=None, program="dfsctl"):
        self.environment = dict(cluster.environment, TERM="xterm", LC_ALL="C.UTF-8", NO_COLOR="1")
        self.environment.update(environment or {})
        program = program if "/" in program else os.path.join(cluster.context.bin, program)
        self.raw = b""
        self.screen = Screen()
        self.looked_at = (0, 0)  # row and column up to which it was
        self.status = None
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
                if directory:
                    os.chdir(directory)
                os.execve(program, [program, *arguments], self.environment)
            finally:
                os._exit(127)
        cluster.context.at_end(self.kill)

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def type(self, keys):
        os.write(self.file, keys.encode(errors="surrogateescape"))

    def read(self, seconds):
        """False when the program is gone and all was seen."""
        if not select.select([self.file], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.file, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        self.raw += data
        self.screen.write(data)
        return bool(data)

    def unseen(self):
        """What was not yet looked at."""
        row, column = self.looked_at
        rows = self.screen.rows[row:]
        return "\n".join([rows[0][column:], *rows[1:]])

    def _look_at(self, text):
        """Passes over `text`, with which the unseen begins."""
        row, column = self.looked_at
        rows = text.split("\n")
        self.looked_at = (row + len(rows) - 1,
                          len(rows[-1]) + (column if len(rows) == 1 else 0))

    def expect(self, wanted, seconds=30.0):
        """What is shown before `wanted`, a text or a compiled expression, which is passed over."""
        deadline = time.monotonic() + seconds
        alive = True
        while True:
            unseen = self.unseen()
            if isinstance(wanted, str):
                begin = unseen.find(wanted)
                end = begin + len(wanted)
            else:
                match = wanted.search(unseen)
                begin, end = match.span() if match else (-1, -1)
            if begin >= 0:
                self._look_at(unseen[:end])
                return unseen[:begin]
            if not alive or time.monotonic() > deadline:
                why = "the program ended" if not alive else f"not within {seconds:g} s"
                raise Failed(f"{why}: {wanted!r} on the terminal, which shows {shorten(unseen)}")
            alive = self.read(0.1)

    def prompt(self, seconds=30.0):
        """What is shown before the next prompt. libedit shows it a moment before it takes the
        terminal: what is typed in between is echoed twice, and a Ctrl-C is nobody's."""
        shown = self.expect(PROMPT, seconds)
        deadline = time.monotonic() + seconds
        while self.local_modes():
            check(time.monotonic() < deadline, "nobody reads what is typed at the prompt")
            self.read(0.01)
        return shown

    def line(self, text):
        """Types a line where one is awaited; passes over its echo."""
        self.type(text + "\r")
        self.expect("\n")

    def command(self, text, seconds=60.0):
        """Types a command at the prompt, returns what it shows up to the next prompt."""
        self.line(text)
        return self.prompt(seconds)

    def answer(self, question, text):
        self.expect(question)
        self.line(text)

    def local_modes(self):
        """Whether the terminal echoes and edits lines by itself, as it does for a plain program."""
        modes = termios.tcgetattr(self.file)[3]
        return bool(modes & termios.ECHO) and bool(modes & termios.ICANON)

    def end(self, wanted=0, seconds=30.0):
        """Waits for the end of the program; returns what it shows until then."""
        deadline = time.monotonic() + seconds
        while self.read(0.1):
            check(time.monotonic() < deadline, f"the end of it; it shows {shorten(self.unseen())}")

        def gone():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                self.status = os.waitstatus_to_exitcode(status)
            return pid != 0
        wait_until(gone, "the end of the program on the terminal", seconds)
        check_equal(self.status, wanted, "the exit status on the terminal")
        return self.unseen()
