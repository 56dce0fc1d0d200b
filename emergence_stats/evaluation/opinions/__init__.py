"""Second opinions: the same values by statsmodels and by pingouin, and how scales differ. Loaded only when shown."""
