"""Inputs and asserts that several tests share."""
