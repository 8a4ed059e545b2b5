"""`python -m netkit` runs `netkit`."""

from netkit.cli.main import main

if __name__ == "__main__":
    main()
