"""One self-contained HTML page a run, and one that lists the runs."""
