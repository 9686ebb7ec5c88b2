"""Roots of reading. All are nullable: one failure does not take the others' answers away."""
