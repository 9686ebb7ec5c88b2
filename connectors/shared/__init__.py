"""What every conversation with a foreign system needs: the egress guard, deadlines, TLS. Knows no system."""
