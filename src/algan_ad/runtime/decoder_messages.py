"""Messages that Pillow, libtiff and OpenCV print about damaged files, beside the reason that we give."""

import ctypes
import logging
import os
import warnings

from PIL import _imaging


def silence_decoders() -> None:
    """Keep the decoders of this process from writing on standard error. A program may decide that, a library may not.

    libtiff writes from C, on the file descriptor. Its handlers are removed, for all threads at once: to redirect the
    descriptor around each call would also swallow the output of other threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # OpenCV reads them when it is imported
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    libtiff = ctypes.CDLL(_imaging.__file__)  # Pillow's core, and what it is linked with
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(libtiff, name, None)
        if set_handler is not None:  # on Windows it is inside the core and not visible
            set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            set_handler(None)
