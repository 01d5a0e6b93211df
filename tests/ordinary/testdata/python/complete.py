"""Types into psql on a terminal and presses Tab, as a person would.

Standard input is JSON: the command line, and cases with what is typed and
what must then stand on the line. Prints what stands there when it does not.
"""
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

PATIENCE = 30  # seconds; only an answer that never comes takes them


def main():
    task = json.load(sys.stdin)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", INPUTRC=os.devnull, PAGER="cat", PSQL_HISTORY=os.devnull)
        os.execvp(task["command"][0], task["command"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

    def read_until(wanted):
        seen = ""
        deadline = time.monotonic() + PATIENCE
        while wanted not in seen and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    seen += os.read(terminal, 65536).decode(errors="replace").replace("\a", "")
                except OSError:  # the end of a terminal, on Linux
                    break
        return seen

    wrong = []
    greeting = read_until(task["prompt"])
    if task["prompt"] not in greeting:
        wrong.append({"typed": "nothing", "shown": greeting})
    for case in [] if wrong else task["cases"]:
        os.write(terminal, (case["typed"] + "\t").encode())
        shown = read_until(case["shown"])
        if case["shown"] not in shown:
            wrong.append({"typed": case["typed"], "shown": shown})
        # Ctrl-U empties the line and Enter brings a new prompt. Not Ctrl-C: one
        # that comes just before readline waits for a key is seen after the next.
        os.write(terminal, b"\x15\n")
        read_until("\n" + task["prompt"])
    os.write(terminal, b"\\q\n")
    os.close(terminal)
    os.waitpid(pid, 0)
    json.dump(wrong, sys.stdout)


main()
