"""What comes in: one file per noun, each turned into the domain struct of the same name."""
