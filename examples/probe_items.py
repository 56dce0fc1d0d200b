"""The first evaluation items of probes of suite `text`: the end of the context, and the options, the right one first.

    python examples/probe_items.py agreement matching phrase

Fetches the corpus at the first call, as `collect --suite text` does. Needs the extra `language`.
"""

import sys

from emergence_training.language.trained.prepared import prepared

END = 60  # characters of a context

items = prepared().items
for probe in sys.argv[1:]:
    item = items[probe, 0][0]
    context = " ".join(item.context[-END:].split())
    wrong = [option for i, option in enumerate(item.options) if i != item.gold]
    shown = " / ".join(repr(option) for option in (item.options[item.gold], *wrong))
    print(f"{probe:10} ...{context} -> {shown}")
