"""What is remembered, one file per noun group, as `domain.ports.repositories` asks for it.

Repositories live within one transaction and see what its viewer sees; readers take a snapshot for each call.
"""
