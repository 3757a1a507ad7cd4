"""What can go wrong, by exit status: every message names the file or option, what was expected and what to do."""


class AlganError(Exception):
    """Anything this package reports without a stack trace at the command line (exit status 1)."""


class InputError(AlganError, ValueError):
    """A file, folder, array or option that cannot be used as it is (exit status 2)."""


class MissingExtra(AlganError, ImportError):
    """An optional part of the package that is not installed (exit status 2)."""


class TrainingDiverged(AlganError):
    """Training that produced NaN or a discriminator that no longer tells anything apart (exit status 1)."""
