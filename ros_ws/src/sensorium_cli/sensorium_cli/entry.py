"""Runs an entry point: `python -m sensorium_cli.entry module:function [arguments]`.

The launcher starts nodes by it where no colcon workspace has made scripts of them.
"""

from __future__ import annotations

import importlib
import sys

from sensorium_core.errors import SensoriumError
from sensorium_core.printable import printable_lines


def main() -> None:
    """Import the module and call the function with the remaining arguments.

    A deliberate error ends it with exit code 2 and without a traceback.
    """
    module_name, _, function_name = sys.argv[1].partition(":")
    sys.argv = [module_name, *sys.argv[2:]]
    function = getattr(importlib.import_module(module_name), function_name)
    try:
        sys.exit(function())
    except SensoriumError as error:
        sys.stderr.write(f"error: {printable_lines(str(error))}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
