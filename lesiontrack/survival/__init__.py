"""Endpoints and survival: from tables to event times, estimates, comparisons and figures."""
