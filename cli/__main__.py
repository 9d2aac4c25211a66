"""`python -m prefpipe.cli`."""

from .main import main

main()
