"""Runs a command at a terminal as a person does: types, changes the window, and looks whether the terminal is left as it
was. The command is a shell in a container; what goes wrong ends this with a word and code 1."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

DEADLINE_S = 60


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A command and its terminal, seen from the side of the person."""

    def __init__(self, arguments):
        self.fd, self.other = pty.openpty()
        set_size(self.fd, 101, 41)
        self.before = termios.tcgetattr(self.other)
        self.seen = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.other, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.other, fd)
            os.execvp(arguments[0], arguments)

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text):
        """Waits until it was printed, and forgets what came before."""
        deadline = time.monotonic() + DEADLINE_S
        while text.encode() not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"{text!r} was not printed, but {self.seen!r}")
            self.seen += os.read(self.fd, 65536)
        self.seen = self.seen.split(text.encode(), 1)[1]

    def resize(self, columns, rows):
        set_size(self.fd, columns, rows)
        os.kill(self.pid, signal.SIGWINCH)

    def is_as_before(self):
        return termios.tcgetattr(self.other) == self.before

    def end(self):
        """The exit code of the command."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.05)[0]:
                self.seen += os.read(self.fd, 65536)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        sys.exit(f"it does not end: {self.seen!r}")


def check(is_so, claim):
    if not is_so:
        sys.exit(f"not so: {claim}")


def shell(arguments):
    """Everything that a person does with a shell."""
    terminal = Terminal(arguments)
    terminal.expect("# ")
    terminal.type("stty size\r")
    terminal.expect("41 101")
    terminal.resize(90, 30)
    # The new size takes its way; the shell sees it sooner or later.
    terminal.type("until test \"$(stty size)\" = '30 90'; do sleep 0.1; done; echo resi''zed\r")
    terminal.expect("resized")
    check(not terminal.is_as_before(), "keys are passed on as they are")
    # Ctrl-C is for the command, not for who passes it on.
    terminal.type("echo go''ing; sleep 1000\r")
    terminal.expect("going")
    terminal.type("\x03")
    terminal.expect("# ")
    terminal.type("exit 6\r")
    check(terminal.end() == 6, "it ends with the exit code of the command")
    check(terminal.is_as_before(), "the terminal is as it was")


def terminated(arguments):
    """Somebody ends the process at the terminal."""
    terminal = Terminal(arguments)
    terminal.expect("# ")
    os.kill(terminal.pid, signal.SIGTERM)
    check(terminal.end() == 128 + signal.SIGTERM, "it ends as the signal says")
    check(terminal.is_as_before(), "the terminal is as it was, though it was terminated")


class Proxy:
    """Passes connections on to an address, and can cut them all."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.upstream = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(self.upstream)
            self.open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while piece := one.recv(65536):
                other.sendall(piece)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for end in self.open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open = []


def plugin(arguments):
    """The AWS CLI with its session-manager-plugin, also when it loses its connection."""
    proxy = Proxy(os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"))
    os.environ["AWS_ENDPOINT_URL"] = f"http://{proxy.address}"
    terminal = Terminal(arguments)
    terminal.expect("Starting session with SessionId: ecs-execute-command-")
    terminal.expect("# ")
    terminal.type("stty size\r")
    terminal.expect("41 101")
    terminal.resize(90, 30)
    terminal.type("until test \"$(stty size)\" = '30 90'; do sleep 0.1; done; echo resi''zed\r")
    terminal.expect("resized")
    # More than may be under way without an acknowledgement.
    terminal.type("seq 1 200000; echo coun''ted\r")
    terminal.expect("199999")
    terminal.expect("counted")
    proxy.cut()
    terminal.type("echo still he''re\r")
    terminal.expect("still here")
    terminal.type("sleep 1000\r\x03")
    terminal.expect("# ")
    terminal.type("exit\r")
    terminal.expect("Exiting session with sessionId: ecs-execute-command-")
    check(terminal.end() == 0, "the plugin ends well")


def refused(arguments):
    """The AWS CLI is told that it may not."""
    terminal = Terminal(arguments)
    terminal.expect("InvalidParameterException")
    terminal.expect("The execute command failed because execute command was not enabled")
    check(terminal.end() != 0, "it fails")


WAYS = {"berth": [shell, terminated], "plugin": [plugin], "refused": [refused]}

if __name__ == "__main__":
    for way in WAYS[sys.argv[1]]:
        way(sys.argv[2:])
    print("all well")
