"""Imported first by every demo: what must be settled before all else.

Ctrl-C, while the other modules load, just ends it. They take a second, and
Python would print a traceback from somewhere in NumPy. Later, command_line.run
handles Ctrl-C.

And Matplotlib heeds a notebook's choice of a backend, which a program that
the notebook starts inherits, but cannot always import. What else Matplotlib
tells its log, such as that it has no folder of its own, is not for users.
"""
import logging
import os
import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

if os.environ.get("MPLBACKEND", "").startswith("module://"):
    del os.environ["MPLBACKEND"]
logging.getLogger("matplotlib").addHandler(logging.NullHandler())
