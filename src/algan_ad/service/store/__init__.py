"""Images and maps on disk, named by the hash of their content."""
