"""What people say about parts, and what follows from it without fooling oneself."""
