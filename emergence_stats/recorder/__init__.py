"""Record traces in your own training loop.

from emergence_stats.recorder import Recorder, log_steps
from emergence_stats.recorder.callbacks import RecorderCallback   # with transformers
"""

from emergence_stats.recorder.missing import RecorderWarning
from emergence_stats.recorder.recorder import Recorder, log_steps

__all__ = ["Recorder", "RecorderWarning", "log_steps"]
