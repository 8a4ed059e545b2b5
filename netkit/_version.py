"""The version of netkit, in a module that imports nothing.

What is inside the package takes the version from here: the package's own `__init__` hands it on to users, and
the build reads this file without running it.
"""

__version__ = "0.1.0"
