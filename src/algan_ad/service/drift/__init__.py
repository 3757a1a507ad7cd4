"""Drift: sequential tests of scores and pictures; alarms that distinguish changed pictures from more defects."""
