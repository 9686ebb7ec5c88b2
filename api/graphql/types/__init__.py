"""What goes out: one file per noun, each a window on the domain value of the same name."""
