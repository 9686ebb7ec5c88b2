"""The catalog as it is remembered: temporal rows, staged by runs, published as revisions, read at any of them.

Writing: `staging`, `comparison`, `publish`, `history`, all behind `repository.SqlCatalogRepository`.
Reading: `objects`, `relationships`, `changes`, all behind `reader.SqlCatalogReader`.
No statement is made per object: sets go in and out as JSON arrays, temporal rows in bounded bulks.
"""
