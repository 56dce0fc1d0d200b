"""Freeze a hypothesis: what was declared, what it rests on, and the runs already seen."""

from emergence_stats.claims.registration.canonical import canonical, digest
from emergence_stats.claims.registration.freezing import add_timestamp, close, recompute, register
from emergence_stats.claims.registration.lock import Registration, read_lock
from emergence_stats.claims.registration.plan import Plan, current_plan, plan_digest
from emergence_stats.claims.registration.seen import identity
from emergence_stats.claims.registration.state import State, state_of

__all__ = [
    "Plan",
    "Registration",
    "State",
    "add_timestamp",
    "canonical",
    "close",
    "current_plan",
    "digest",
    "identity",
    "plan_digest",
    "read_lock",
    "recompute",
    "register",
    "state_of",
]
