//! Scripts in an engine of our own beside the same scripts in a real redis-server: every reply must be
//! the same to the byte.
//!
//! Where there is no redis-server these tests say so and check nothing.
#![cfg(unix)]

mod basics;
mod libraries;
mod patterns;
mod servers;
