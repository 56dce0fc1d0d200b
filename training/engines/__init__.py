"""Where runs are trained: processes of this machine, tasks of a Ray cluster, jobs of a Slurm cluster."""
