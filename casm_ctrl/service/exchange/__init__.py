"""Export and import: the configuration and its blocks as JSON instance data of our YANG models (RFC 7951), as
CSV tables, and NetBox's prefixes as pools.

`nouns` says once what each thing is made of; readers and writers of every format go by it.
"""
