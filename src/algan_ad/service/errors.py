"""Errors of the station besides those of the library."""

from algan_ad.runtime.errors import InputError


class NotFound(InputError):
    """Something that the record does not hold."""
