"""Our YANG modules, the schema they make, the engine that validates, and the adapter to the bindings."""
