"""`training.callbacks` of version 0.1, installed beside any folder of that name; it goes with version 0.3."""

from emergence_stats._moved import stand_in

stand_in(__name__)
