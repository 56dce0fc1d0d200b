"""The training backend: models trained on a declared suite, and measured into traces.

The folder is installed as the package ``emergence_training``, a name that no folder beside a user's script has.
"""

import emergence_stats  # noqa: F401  # lets `training.recorder`, which has moved, be found in this folder too
