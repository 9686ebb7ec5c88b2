"""The contract with clients: types, inputs, queries, mutations, subscriptions. Decides nothing about data.

A type is a window on a domain value; a resolver reads its arguments, calls one service or loader, and wraps the answer.
New field: its value on the domain struct, its service or loader if it costs, the field with a description in `types/`,
then `make schema`.
"""

from api.graphql import enums  # first: whoever names an enum of the domain in a type must find it described

__all__ = ["enums"]
