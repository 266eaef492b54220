"""Of which commit something was made. No torch."""

import subprocess
from pathlib import Path


def git_commit() -> str:
    """The commit of the working tree that this code lies in; "unknown" where it lies in none."""
    here = str(Path(__file__).parent)
    command = ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
