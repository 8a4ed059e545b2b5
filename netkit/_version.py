"""The version of netkit, in a module that imports nothing.

All modules of the package take the version from here. The package's `__init__` exports it to users, and the
build reads this file without running it.
"""

__version__ = "0.1.0"
