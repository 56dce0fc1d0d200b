"""Claims before they are judged: found, frozen, described, and the runs that count for them."""
