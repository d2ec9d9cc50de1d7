"""``python -m transfer``: see `transfer.cli`."""

from transfer.cli import main

if __name__ == "__main__":
    main()
