//! The numbers of the RDB format, as Redis's `rdb.h` gives them (versions 1 to 12, that is, up to
//! Redis 8).

/// What a file begins with, before four digits of version.
pub(super) const MAGIC: &[u8] = b"REDIS";

/// What a file of Valkey 9 begins with, before three digits of version: since then its format is another one than
/// that of Redis, as Valkey's `rdb.h` has it.
pub(super) const MAGIC_VALKEY: &[u8] = b"VALKEY";

/// The version of Valkey's own format: that of Valkey 9.
pub(super) const VERSION_VALKEY: u16 = 80;

/// The version that is written: that of Redis 7.0, which every later one reads too.
pub(super) const VERSION_WRITTEN: u16 = 10;

/// The newest version that is read: that of Redis 8.
pub(super) const VERSION_NEWEST: u16 = 12;

pub(super) const TYPE_STRING: u8 = 0;
pub(super) const TYPE_LIST: u8 = 1;
pub(super) const TYPE_SET: u8 = 2;
/// A sorted set with scores as text.
pub(super) const TYPE_SORTED_SET: u8 = 3;
pub(super) const TYPE_HASH: u8 = 4;
/// A sorted set with binary scores.
pub(super) const TYPE_SORTED_SET_2: u8 = 5;
pub(super) const TYPE_MODULE: u8 = 6;
pub(super) const TYPE_MODULE_2: u8 = 7;
pub(super) const TYPE_HASH_ZIPMAP: u8 = 9;
pub(super) const TYPE_LIST_ZIPLIST: u8 = 10;
pub(super) const TYPE_SET_INTSET: u8 = 11;
pub(super) const TYPE_SORTED_SET_ZIPLIST: u8 = 12;
pub(super) const TYPE_HASH_ZIPLIST: u8 = 13;
/// A list of ziplists.
pub(super) const TYPE_LIST_QUICKLIST: u8 = 14;
pub(super) const TYPE_STREAM: u8 = 15;
pub(super) const TYPE_HASH_LISTPACK: u8 = 16;
pub(super) const TYPE_SORTED_SET_LISTPACK: u8 = 17;
/// A list of listpacks and single elements.
pub(super) const TYPE_LIST_QUICKLIST_2: u8 = 18;
/// A stream with the offsets that Redis 7.0 added.
pub(super) const TYPE_STREAM_2: u8 = 19;
pub(super) const TYPE_SET_LISTPACK: u8 = 20;
/// A stream with the active times of consumers that Redis 7.2 added.
pub(super) const TYPE_STREAM_3: u8 = 21;
/// A hash whose fields expire, as release candidates of Redis 7.4 wrote it.
pub(super) const TYPE_HASH_EXPIRES_EARLY: u8 = 22;
/// The same in a listpack.
pub(super) const TYPE_HASH_LISTPACK_EXPIRES_EARLY: u8 = 23;
/// A hash whose fields expire.
pub(super) const TYPE_HASH_EXPIRES: u8 = 24;
/// The same in a listpack.
pub(super) const TYPE_HASH_LISTPACK_EXPIRES: u8 = 25;

/// The greatest code of a type; opcodes begin far above.
pub(super) const TYPE_LAST: u8 = TYPE_HASH_LISTPACK_EXPIRES;

/// A hash whose fields expire, as Valkey 9 writes it under a number that release candidates of Redis 7.4 used. In no
/// file: [`type_in`] gives it this number.
pub(super) const TYPE_HASH_VALKEY: u8 = 64;

/// The type that a code stands for in Redis's format or Valkey's own.
pub(super) fn type_in(is_of_valkey: bool, code: u8) -> u8 {
    match code {
        TYPE_HASH_EXPIRES_EARLY if is_of_valkey => TYPE_HASH_VALKEY,
        // No type at all.
        TYPE_HASH_VALKEY => OPCODE_END,
        _ => code,
    }
}

/// A library of functions.
pub(super) const OPCODE_FUNCTION: u8 = 245;
/// Functions as release candidates of Redis 7.0 wrote them.
pub(super) const OPCODE_FUNCTION_EARLY: u8 = 246;
pub(super) const OPCODE_MODULE_AUX: u8 = 247;
pub(super) const OPCODE_IDLE: u8 = 248;
pub(super) const OPCODE_FREQUENCY: u8 = 249;
pub(super) const OPCODE_AUX: u8 = 250;
pub(super) const OPCODE_RESIZE: u8 = 251;
pub(super) const OPCODE_EXPIRE_MS: u8 = 252;
pub(super) const OPCODE_EXPIRE_SECONDS: u8 = 253;
pub(super) const OPCODE_SELECT: u8 = 254;
pub(super) const OPCODE_END: u8 = 255;
/// How many keys a slot of a cluster has; a hint, as the sizes of databases.
pub(super) const OPCODE_SLOT: u8 = 244;

pub(super) const LENGTH_32: u8 = 0x80;
pub(super) const LENGTH_64: u8 = 0x81;
pub(super) const ENCODED_INT8: u8 = 0xc0;
pub(super) const ENCODED_INT16: u8 = 0xc1;
pub(super) const ENCODED_INT32: u8 = 0xc2;
pub(super) const ENCODED_LZF: u8 = 0xc3;

/// A node of a list that is one element.
pub(super) const NODE_PLAIN: u64 = 1;
/// A node of a list that is a listpack.
pub(super) const NODE_PACKED: u64 = 2;

/// What stands before the parts of a module's value, by which it can be skipped.
pub(super) const MODULE_END: u64 = 0;
pub(super) const MODULE_SIGNED: u64 = 1;
pub(super) const MODULE_UNSIGNED: u64 = 2;
pub(super) const MODULE_FLOAT: u64 = 3;
pub(super) const MODULE_DOUBLE: u64 = 4;
pub(super) const MODULE_STRING: u64 = 5;
