"""`python -m ditcourse` is the `ditcourse` command."""

from ditcourse.cli import main

main()
