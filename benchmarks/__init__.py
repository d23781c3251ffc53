"""Reproduction of the paper and comparison with peers; nothing else imports it."""
