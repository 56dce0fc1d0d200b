"""What decides a number: arrays in, intervals and verdicts out. No prose, no files, no rendering.

It imports the standard library, numpy, scipy, `errors` and itself. `VERSION` changes with every change that can move a
number; CHANGELOG.md beside this file says what moved.
"""

VERSION = "1.0"
