//! When a collection leaves its compact form: the thresholds, under Redis's configuration names.
//!
//! What each threshold means in detail is decided in the room of its type.

/// The sizes up to which collections stay in their compact forms.
///
/// `Default` gives the defaults of Redis 8.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingLimits {
    /// `hash-max-listpack-entries`: fields of a hash.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`: bytes of a hash's longest field or value.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`: members of a set of integers.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`: members of a set of strings. With 0 a set of integers that gets
    /// a string becomes a hash table at once, as before Redis 7.2.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`: bytes of a set's longest member.
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`: members of a sorted set.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`: bytes of a sorted set's longest member.
    pub zset_max_listpack_value: usize,
    /// `list-max-listpack-size`: when positive, elements of a list's node; -1 to -5 mean bytes of
    /// a node: 4, 8, 16, 32 and 64 KiB.
    pub list_max_listpack_size: i64,
    /// `list-compress-depth`: nodes at either end of a list that are never compressed; 0 means
    /// that none is.
    pub list_compress_depth: i64,
    /// `stream-node-max-bytes`: bytes of a stream's block, as Redis would count them; 0 is no limit.
    pub stream_node_max_bytes: u64,
    /// `stream-node-max-entries`: entries of a stream's block; 0 is no limit.
    pub stream_node_max_entries: u64,
    /// The seed of every hash table inside a value. It is no configuration of Redis's, but
    /// whoever may create a table needs it beside the thresholds.
    pub hash_seed: u64,
}

impl Default for EncodingLimits {
    fn default() -> Self {
        Self {
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hash_seed: 0,
        }
    }
}
