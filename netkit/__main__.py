"""`python -m netkit` is `netkit`."""

from netkit.cli.main import main

if __name__ == "__main__":
    main()
