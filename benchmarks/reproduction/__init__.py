"""The report on the AutoBalance paper: its tables and claims beside our measurements."""
