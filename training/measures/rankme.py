"""RankMe, kept with the recorder, which a training loop of one's own uses without this backend."""

from emergence_stats.recorder.rankme import effective_rank, rankme

__all__ = ["effective_rank", "rankme"]
