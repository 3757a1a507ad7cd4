"""From the bytes of an image to a verdict that is committed before it is given."""
