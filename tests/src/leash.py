"""Runs a program in a process group of its own, and ends the whole group when stdin is closed.

A test that is killed runs no destructor, and a server may have started programs of its own; neither is to be left behind.
"""

import os
import signal
import subprocess
import sys
import threading

child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)


def end(kind):
    try:
        os.killpg(child.pid, kind)
    except ProcessLookupError:
        pass


def watch():
    sys.stdin.read()
    end(signal.SIGTERM)
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        pass
    end(signal.SIGKILL)


watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
status = child.wait()
# What the child has started goes with it.
end(signal.SIGKILL)
sys.exit(status if status >= 0 else 128 - status)
