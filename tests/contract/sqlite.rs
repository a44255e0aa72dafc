//! What holds for SQLite alone: opening, locking, its files.
