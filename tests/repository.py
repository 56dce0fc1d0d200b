"""A project in git, for tests of what commits show, and its lock as its owner could forge it."""

import json
import subprocess

from emergence_stats.claims.registration import digest, plan_digest


def git(folder, *arguments):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder, message="more"):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def forge(lock, change):
    """Change the latest entry of a lock and make its digests anew, as its owner can."""
    found = json.loads(lock.read_text())
    entry = found["entries"][-1]
    del entry["digest"]
    change(entry)
    entry["plan"] = plan_digest(entry["declaration"], entry["code"], entry.get("read"))
    entry["digest"] = digest(entry)
    lock.write_text(json.dumps(found))
