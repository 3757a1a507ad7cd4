"""From a plan to runs, results, tables and figures: every comparison of the thesis, and any of your own."""
