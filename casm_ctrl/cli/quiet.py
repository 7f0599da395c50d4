"""Keep what libraries log, warn and print off stderr: what matters comes back as an error of ours."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings

from casm_ctrl.cli.failures import TRACEBACK


def hush_libraries() -> None:
    """For the whole process; CASM_TRACEBACK=1 and -W keep what they ask for."""
    if os.environ.get(TRACEBACK) == "1":
        return
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    threading.excepthook = _ignore
    sys.unraisablehook = _ignore


def _ignore(arguments: object) -> None:
    """An exception in a thread or finalizer of a library."""
