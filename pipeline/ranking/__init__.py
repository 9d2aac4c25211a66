"""Rankings from votes and how far to trust them: pure functions over numpy arrays, one idea a file."""
