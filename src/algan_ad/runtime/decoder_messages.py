"""Messages that Pillow and libtiff print about damaged files, beside the reason that `decode` gives."""

import ctypes
import logging
import warnings

from PIL import _imaging


def silence_decoders() -> None:
    """Keep the decoders of this process from writing on standard error. A program may decide that, a library may not.

    libtiff writes from C, on the file descriptor. Its handlers are removed, for all threads at once: to redirect the
    descriptor around each call would also swallow the output of other threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    libtiff = ctypes.CDLL(_imaging.__file__)  # Pillow's core, and what it is linked with
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(libtiff, name, None)
        if set_handler is not None:  # on Windows it is inside the core and not visible
            set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            set_handler(None)
