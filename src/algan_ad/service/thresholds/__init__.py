"""Thresholds in versions: proposed from audited parts, shown with their consequences, approved, rolled back."""
