"""Deploy takes one network away: export it, measure it, let it drive."""
