//! Nothing lives here: the package exists for its integration binary in `integration/`.
