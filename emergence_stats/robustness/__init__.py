"""The verdict under other choices, with other numbers of runs, and among many claims."""
