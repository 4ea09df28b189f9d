"""The metastore in one SQLite file: the first thing that can do what `metastore.protocol` asks for.

The connection stays in here, and so does SQL, in the `.sql` files beside the modules. Knows nothing
of what files hold, nor of plans.
"""
