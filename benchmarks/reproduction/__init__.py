"""The AutoBalance paper, reproduced: its tables and claims, measured beside claimed."""
