"""What systemd does for a socket unit: opens a listening socket, never accepts on it, and starts a process over it.

A line on standard input starts the command of the arguments, another one stops it; each is answered by a line.
"""
import os
import signal
import socket
import subprocess
import sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(4096)
port = listener.getsockname()[1]
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
print(port, flush=True)

# The id of the process is known only to itself: a shell names it and becomes the process.
script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
process = None
for line in sys.stdin:
    if line.strip() == "start":
        command = ["/bin/sh", "-c", script, "sh", *sys.argv[1:]]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        process = subprocess.Popen(command, pass_fds=(3,), **quiet)
        print(process.pid, flush=True)
    else:
        process.send_signal(signal.SIGTERM)
        print(process.wait(), flush=True)
if process is not None:
    process.kill()
