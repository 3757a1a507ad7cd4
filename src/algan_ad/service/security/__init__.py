"""Access to a station: tokens, sessions of the page, roles."""
