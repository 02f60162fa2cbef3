//! Model registry: immutable versions, aliases, provenance.
