"""Originals from other web sites, fetched from hosts that are listed and from public addresses alone."""
