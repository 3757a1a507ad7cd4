"""Plan -> runs -> results -> tables and figures: every comparison of the thesis, and any of your own."""
