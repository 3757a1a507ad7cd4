"""The operator's page: HTML from this server alone, htmx and uPlot beside it. A file for each view."""
