"""What Pillow and libtiff print about damaged files, beside the reason that `decode` gives: for commands to silence."""

import ctypes
import logging
import warnings

from PIL import _imaging


def silence_decoders() -> None:
    """Keep the decoders of this process from writing on standard error. A program decides so, a library does not.

    libtiff writes from C, on the file descriptor. It is given no handler for errors, which counts for all threads;
    turning the descriptor away around each call would also swallow what other threads write meanwhile.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    libtiff = ctypes.CDLL(_imaging.__file__)  # Pillow's core, and what it is linked with
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(libtiff, name, None)
        if set_handler is not None:  # on Windows it is within the core and not to be seen
            set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            set_handler(None)
