"""Human decisions and readings: what readers decide, where they differ, which reading stands."""
