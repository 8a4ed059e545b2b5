"""`python -m tests.cli.sample_main`: netkit with the sample commands, for tests that need a process."""

from netkit.cli import table
from netkit.cli.main import main
from tests.cli.sample import ENTRIES, GROUPS

if __name__ == "__main__":
    table.COMMANDS = (*table.COMMANDS, *ENTRIES)
    table.GROUPS.update(GROUPS)
    main()
