"""What is remembered, one file per noun group.

`…Repository`: within a transaction, as its viewer. `…Reader`: outside of any.
"""
