"""Self-contained HTML pages and plots, made from results files only."""
