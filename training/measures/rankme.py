"""RankMe, kept with the recorder, which any training loop can use without this backend."""

from emergence_stats.recorder.rankme import effective_rank, rankme

__all__ = ["effective_rank", "rankme"]
