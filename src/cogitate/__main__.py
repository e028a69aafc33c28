"""`python -m cogitate` is the command `cogitate`."""

from cogitate.cli import main

main()
