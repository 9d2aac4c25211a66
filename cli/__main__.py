"""`python -m prefpipe.cli`."""

from .start import main

main()
