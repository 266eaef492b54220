"""Of which commit something was made. No torch."""

import subprocess


def git_commit() -> str:
    """The commit of the working tree, or a word that says why there is none."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
