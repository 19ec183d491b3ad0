"""Imported first by every demo: what must be settled before anything else.

While the other modules load, Ctrl-C just ends the demo. They take a second,
and Python would print a traceback from somewhere in NumPy. Later,
command_line.run handles Ctrl-C.

And a program that a notebook starts inherits the notebook's Matplotlib
backend, but cannot always import it. What else Matplotlib logs, such as that
it has no folder of its own, is not for users.
"""
import logging
import os
import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

if os.environ.get("MPLBACKEND", "").startswith("module://"):
    del os.environ["MPLBACKEND"]
logging.getLogger("matplotlib").addHandler(logging.NullHandler())
