//! The encodings of each type, and how a server is made to choose them: by its thresholds, and for
//! strings by what they hold.

/// The types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No value at all: bodies about something else.
    None,
    String,
    List,
    Hash,
    Set,
    SortedSet,
}

/// One encoding of a type.
#[derive(Debug)]
pub struct Form {
    pub kind: Kind,
    /// What OBJECT ENCODING says.
    pub encoding: &'static str,
    /// What the server is told by CONFIG SET.
    pub settings: &'static [(&'static str, &'static str)],
    /// What a string of this form holds.
    pub text: &'static str,
    /// Whether every field of a hash has a time to live.
    pub has_field_expiry: bool,
}

const fn form(
    kind: Kind,
    encoding: &'static str,
    settings: &'static [(&'static str, &'static str)],
) -> Form {
    Form {
        kind,
        encoding,
        settings,
        text: "",
        has_field_expiry: false,
    }
}

const fn string(encoding: &'static str, text: &'static str) -> Form {
    Form {
        text,
        ..form(Kind::String, encoding, &[])
    }
}

const fn expiring(form: Form) -> Form {
    Form {
        has_field_expiry: true,
        ..form
    }
}

const INT: Form = string("int", "1234567");
const EMBSTR: Form = string("embstr", "a short text");
const RAW: Form = string(
    "raw",
    "a text that is too long for the one allocation of an embedded string",
);

const LIST_LISTPACK: Form = form(Kind::List, "listpack", &[]);
const LIST_QUICKLIST: Form = form(Kind::List, "quicklist", &[("list-max-listpack-size", "1")]);
const LIST_COMPRESSED: Form = form(
    Kind::List,
    "quicklist",
    &[
        ("list-max-listpack-size", "1"),
        ("list-compress-depth", "1"),
    ],
);

const HASH_TABLE_SETTINGS: &[(&str, &str)] = &[("hash-max-listpack-entries", "0")];
const HASH_LISTPACK: Form = form(Kind::Hash, "listpack", &[]);
const HASH_LISTPACK_EXPIRING: Form = expiring(form(Kind::Hash, "listpackex", &[]));
const HASH_TABLE: Form = form(Kind::Hash, "hashtable", HASH_TABLE_SETTINGS);
const HASH_TABLE_EXPIRING: Form = expiring(form(Kind::Hash, "hashtable", HASH_TABLE_SETTINGS));

const SET_INTSET: Form = form(Kind::Set, "intset", &[]);
const SET_LISTPACK: Form = form(Kind::Set, "listpack", &[("set-max-intset-entries", "0")]);
const SET_TABLE: Form = form(
    Kind::Set,
    "hashtable",
    &[
        ("set-max-intset-entries", "0"),
        ("set-max-listpack-entries", "0"),
    ],
);

const SORTED_SET_LISTPACK: Form = form(Kind::SortedSet, "listpack", &[]);
const SORTED_SET_SKIPLIST: Form = form(
    Kind::SortedSet,
    "skiplist",
    &[("zset-max-listpack-entries", "0")],
);

/// For bodies that are about no value: only the protocols differ.
pub const PLAIN: &[Form] = &[form(Kind::None, "", &[])];
pub const STRINGS: &[Form] = &[INT, EMBSTR, RAW];
pub const INTEGERS: &[Form] = &[INT];
pub const LISTS: &[Form] = &[LIST_LISTPACK, LIST_QUICKLIST, LIST_COMPRESSED];
pub const HASHES: &[Form] = &[
    HASH_LISTPACK,
    HASH_LISTPACK_EXPIRING,
    HASH_TABLE,
    HASH_TABLE_EXPIRING,
];
pub const SETS: &[Form] = &[SET_INTSET, SET_LISTPACK, SET_TABLE];
/// Sets that can have members which are no integers.
pub const SETS_OF_TEXTS: &[Form] = &[SET_LISTPACK, SET_TABLE];
pub const SORTED_SETS: &[Form] = &[SORTED_SET_LISTPACK, SORTED_SET_SKIPLIST];
/// What can be sorted.
pub const SORTABLE: &[Form] = &[
    LIST_LISTPACK,
    LIST_QUICKLIST,
    LIST_COMPRESSED,
    SET_INTSET,
    SET_LISTPACK,
    SET_TABLE,
    SORTED_SET_LISTPACK,
    SORTED_SET_SKIPLIST,
];
pub const ALL: &[Form] = &[
    INT,
    EMBSTR,
    RAW,
    LIST_LISTPACK,
    LIST_QUICKLIST,
    LIST_COMPRESSED,
    HASH_LISTPACK,
    HASH_LISTPACK_EXPIRING,
    HASH_TABLE,
    HASH_TABLE_EXPIRING,
    SET_INTSET,
    SET_LISTPACK,
    SET_TABLE,
    SORTED_SET_LISTPACK,
    SORTED_SET_SKIPLIST,
];
