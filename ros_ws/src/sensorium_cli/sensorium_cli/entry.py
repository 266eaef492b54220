"""Runs an entry point: `python -m sensorium_cli.entry module:function [arguments]`.

The launcher starts nodes by it where no colcon workspace has made scripts of them.
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Import the module and call the function with the remaining arguments."""
    module_name, _, function_name = sys.argv[1].partition(":")
    sys.argv = [module_name, *sys.argv[2:]]
    sys.exit(getattr(importlib.import_module(module_name), function_name)())


if __name__ == "__main__":
    main()
