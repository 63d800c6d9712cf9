//! What a row of the command table is.
//!
//! A row is everything that Oxidis knows of a command: COMMAND, COMMAND DOCS, ACL categories, the
//! prompt's hints and the documentation page are all made from it.

use bitflags::bitflags;

use super::{Args, CommandResult, Context, Reply};

/// The code of a command.
pub type Handler = fn(&mut Context<'_>, &mut Reply<'_>) -> CommandResult;

bitflags! {
    /// What a command does and when it may run; the names are those that COMMAND answers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// May change the key space.
        const WRITE = 1;
        /// Never changes the key space.
        const READONLY = 1 << 1;
        /// May use more memory, so it is refused when there is none.
        const DENYOOM = 1 << 2;
        /// For administrators.
        const ADMIN = 1 << 3;
        /// About publishing and subscribing.
        const PUBSUB = 1 << 4;
        /// Not from scripts.
        const NOSCRIPT = 1 << 5;
        /// May block.
        const BLOCKING = 1 << 6;
        /// Allowed while the data is loaded.
        const LOADING = 1 << 7;
        /// Allowed on a replica that lost its master.
        const STALE = 1 << 8;
        /// Not shown by MONITOR.
        const SKIP_MONITOR = 1 << 9;
        /// Not kept in the slow log.
        const SKIP_SLOWLOG = 1 << 10;
        /// For cluster redirection.
        const ASKING = 1 << 11;
        /// Takes constant or logarithmic time.
        const FAST = 1 << 12;
        /// Allowed before authentication.
        const NO_AUTH = 1 << 13;
        /// May be sent to replicas though it is no write.
        const MAY_REPLICATE = 1 << 14;
        /// Not during asynchronous loading.
        const NO_ASYNC_LOADING = 1 << 15;
        /// Not inside a transaction.
        const NO_MULTI = 1 << 16;
        /// The positions of keys depend on the arguments.
        const MOVABLEKEYS = 1 << 17;
        /// Allowed while a script is busy.
        const ALLOW_BUSY = 1 << 18;
        /// Works although its row promises keys that may be missing.
        const NO_MANDATORY_KEYS = 1 << 19;
        /// Needs `enable-debug-command`.
        const PROTECTED = 1 << 20;
        /// Not listed among the flags of COMMAND: another thing than Redis has.
        const OWN = 1 << 21;
    }
}

impl Flags {
    /// The names that COMMAND answers, in Redis's order; some flags have none there.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(Flags, &str); 19] = [
            (Flags::WRITE, "write"),
            (Flags::READONLY, "readonly"),
            (Flags::DENYOOM, "denyoom"),
            (Flags::ADMIN, "admin"),
            (Flags::PUBSUB, "pubsub"),
            (Flags::NOSCRIPT, "noscript"),
            (Flags::BLOCKING, "blocking"),
            (Flags::LOADING, "loading"),
            (Flags::STALE, "stale"),
            (Flags::SKIP_MONITOR, "skip_monitor"),
            (Flags::SKIP_SLOWLOG, "skip_slowlog"),
            (Flags::ASKING, "asking"),
            (Flags::FAST, "fast"),
            (Flags::NO_AUTH, "no_auth"),
            (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
            (Flags::NO_ASYNC_LOADING, "no_async_loading"),
            (Flags::NO_MULTI, "no_multi"),
            (Flags::MOVABLEKEYS, "movablekeys"),
            (Flags::ALLOW_BUSY, "allow_busy"),
        ];
        NAMES
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| name)
    }
}

bitflags! {
    /// ACL categories. A row names those of its family; those that follow from its flags are added
    /// by [`Command::all_categories`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Categories: u32 {
        /// @keyspace
        const KEYSPACE = 1;
        /// @read
        const READ = 1 << 1;
        /// @write
        const WRITE = 1 << 2;
        /// @set
        const SET = 1 << 3;
        /// @sortedset
        const SORTEDSET = 1 << 4;
        /// @list
        const LIST = 1 << 5;
        /// @hash
        const HASH = 1 << 6;
        /// @string
        const STRING = 1 << 7;
        /// @bitmap
        const BITMAP = 1 << 8;
        /// @hyperloglog
        const HYPERLOGLOG = 1 << 9;
        /// @geo
        const GEO = 1 << 10;
        /// @stream
        const STREAM = 1 << 11;
        /// @pubsub
        const PUBSUB = 1 << 12;
        /// @admin
        const ADMIN = 1 << 13;
        /// @fast
        const FAST = 1 << 14;
        /// @slow
        const SLOW = 1 << 15;
        /// @blocking
        const BLOCKING = 1 << 16;
        /// @dangerous
        const DANGEROUS = 1 << 17;
        /// @connection
        const CONNECTION = 1 << 18;
        /// @transaction
        const TRANSACTION = 1 << 19;
        /// @scripting
        const SCRIPTING = 1 << 20;
    }
}

impl Categories {
    /// Every category with its name, in Redis's order.
    pub const NAMES: [(Categories, &'static str); 21] = [
        (Categories::KEYSPACE, "keyspace"),
        (Categories::READ, "read"),
        (Categories::WRITE, "write"),
        (Categories::SET, "set"),
        (Categories::SORTEDSET, "sortedset"),
        (Categories::LIST, "list"),
        (Categories::HASH, "hash"),
        (Categories::STRING, "string"),
        (Categories::BITMAP, "bitmap"),
        (Categories::HYPERLOGLOG, "hyperloglog"),
        (Categories::GEO, "geo"),
        (Categories::STREAM, "stream"),
        (Categories::PUBSUB, "pubsub"),
        (Categories::ADMIN, "admin"),
        (Categories::FAST, "fast"),
        (Categories::SLOW, "slow"),
        (Categories::BLOCKING, "blocking"),
        (Categories::DANGEROUS, "dangerous"),
        (Categories::CONNECTION, "connection"),
        (Categories::TRANSACTION, "transaction"),
        (Categories::SCRIPTING, "scripting"),
    ];

    /// The names, without the `@`, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let names = Self::NAMES.into_iter();
        names
            .filter(move |(category, _)| self.contains(*category))
            .map(|(_, name)| name)
    }
}

bitflags! {
    /// What a command does with the keys of a [`KeySpec`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KeyFlags: u32 {
        /// Reads only.
        const RO = 1;
        /// Reads and writes.
        const RW = 1 << 1;
        /// Overwrites without reading.
        const OW = 1 << 2;
        /// Removes.
        const RM = 1 << 3;
        /// Answers or copies the user's data.
        const ACCESS = 1 << 4;
        /// Changes the user's data, possibly from what it was.
        const UPDATE = 1 << 5;
        /// Adds data.
        const INSERT = 1 << 6;
        /// Deletes data.
        const DELETE = 1 << 7;
        /// Not a key, but treated as one (a channel of a shard).
        const NOT_KEY = 1 << 8;
        /// The specification may not find all keys.
        const INCOMPLETE = 1 << 9;
        /// What is done depends on the arguments.
        const VARIABLE_FLAGS = 1 << 10;
    }
}

impl KeyFlags {
    /// The names that COMMAND answers.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(KeyFlags, &str); 11] = [
            (KeyFlags::RO, "RO"),
            (KeyFlags::RW, "RW"),
            (KeyFlags::OW, "OW"),
            (KeyFlags::RM, "RM"),
            (KeyFlags::ACCESS, "access"),
            (KeyFlags::UPDATE, "update"),
            (KeyFlags::INSERT, "insert"),
            (KeyFlags::DELETE, "delete"),
            (KeyFlags::NOT_KEY, "not_key"),
            (KeyFlags::INCOMPLETE, "incomplete"),
            (KeyFlags::VARIABLE_FLAGS, "variable_flags"),
        ];
        NAMES
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| name)
    }
}

/// Where the search for keys begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginSearch {
    /// At this argument.
    Index(usize),
    /// Behind this word, looked for from argument `from` on (backwards from the end if negative).
    Keyword {
        /// The word, in capitals.
        word: &'static str,
        /// Where the search for the word starts.
        from: isize,
    },
    /// Nobody can say.
    Unknown,
}

/// How the keys are found from where the search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindKeys {
    /// A range of arguments.
    Range {
        /// The last one, counted from the first; negative: from the end of the arguments.
        last: isize,
        /// Every which argument is a key.
        step: usize,
        /// With a negative `last`: the range ends after this part of the rest (2 is half); 0 and 1
        /// are no limit.
        limit: usize,
    },
    /// A number of keys, given by an argument.
    Number {
        /// The argument with the number, counted from where the search begins.
        count_at: usize,
        /// The first key, counted likewise.
        first: usize,
        /// Every which argument is a key.
        step: usize,
    },
    /// Nobody can say.
    Unknown,
}

/// How to find some of a command's keys, and what it does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// What is done with the keys.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: BeginSearch,
    /// How they are found from there.
    pub find: FindKeys,
}

impl KeySpec {
    /// The first argument is the only key.
    pub const fn first(flags: KeyFlags) -> Self {
        Self::at(1, flags)
    }

    /// The argument at `index` is the only key.
    pub const fn at(index: usize, flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: BeginSearch::Index(index),
            find: FindKeys::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
        }
    }

    /// Every `step`th argument from `first` to `last` (negative: from the end).
    pub const fn range(first: usize, last: isize, step: usize, flags: KeyFlags) -> Self {
        let last = if last < 0 {
            last
        } else {
            last - first as isize
        };
        KeySpec {
            flags,
            begin: BeginSearch::Index(first),
            find: FindKeys::Range {
                last,
                step,
                limit: 0,
            },
        }
    }

    /// The argument at `index` says how many keys follow it.
    pub const fn counted(index: usize, flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: BeginSearch::Index(index),
            find: FindKeys::Number {
                count_at: 0,
                first: 1,
                step: 1,
            },
        }
    }

    /// One key behind `word`, looked for from argument `from` on.
    pub const fn after(word: &'static str, from: isize, flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: BeginSearch::Keyword { word, from },
            find: FindKeys::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
        }
    }

    /// Whether what it finds is only treated as a key.
    pub fn is_not_key(&self) -> bool {
        self.flags.contains(KeyFlags::NOT_KEY)
    }

    /// There are keys, but no rule that finds them.
    pub const fn unknown(flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: BeginSearch::Unknown,
            find: FindKeys::Unknown,
        }
    }

    /// First key, last key (negative: from the end) and step, where they do not depend on the
    /// arguments.
    fn absolute_range(&self) -> Option<(i64, i64, i64)> {
        let (BeginSearch::Index(begin), FindKeys::Range { last, step, .. }) =
            (self.begin, self.find)
        else {
            return None;
        };
        let begin = begin as i64;
        let last = last as i64;
        let last = if last >= 0 { begin + last } else { last };
        Some((begin, last, step as i64))
    }

    /// Calls `visit` with the index of each key among `arguments` (0 is the command). Answers
    /// `false` when the arguments do not fit the specification.
    pub fn find(&self, arguments: Args<'_>, visit: &mut dyn FnMut(usize)) -> bool {
        let count = arguments.len();
        let begin = match self.begin {
            BeginSearch::Index(index) => index,
            BeginSearch::Keyword { word, from } => {
                let is_word =
                    |&index: &usize| arguments.get(index).eq_ignore_ascii_case(word.as_bytes());
                // What nothing follows is not the word, nor is what stands right behind the command.
                let found = if from >= 0 {
                    (from as usize..count.saturating_sub(1)).find(is_word)
                } else {
                    (2..=count.saturating_sub(from.unsigned_abs()))
                        .rev()
                        .find(is_word)
                };
                match found {
                    Some(index) => index + 1,
                    None => return true,
                }
            }
            BeginSearch::Unknown => return false,
        };
        let (first, last, step) = match self.find {
            FindKeys::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin + last as usize
                } else if limit <= 1 {
                    match (count as isize + last).try_into() {
                        Ok(last) => last,
                        Err(_) => return false,
                    }
                } else {
                    let rest = count.saturating_sub(begin);
                    (begin + rest / limit).saturating_sub(last.unsigned_abs())
                };
                (begin, last, step)
            }
            FindKeys::Number {
                count_at,
                first,
                step,
            } => {
                let at = begin + count_at;
                if at >= count {
                    return false;
                }
                let number = arguments.get(at);
                let number = match crate::text::parse_integer(number) {
                    Some(0) => return true,
                    Some(number) => number,
                    // The command refuses it, but that the keys may not be used is said first.
                    None => oxidis_resp::number::leading_integer(number),
                };
                if number <= 0 {
                    return false;
                }
                let first = begin + first;
                let number = usize::try_from(number).unwrap_or(usize::MAX);
                (
                    first,
                    first.saturating_add((number - 1).saturating_mul(step)),
                    step,
                )
            }
            FindKeys::Unknown => return false,
        };
        if last >= count || first > last {
            return false;
        }
        (first..=last).step_by(step.max(1)).for_each(visit);
        true
    }
}

/// Calls a function with the index of each key among the arguments; answers `false` when they do not
/// fit the command.
pub type KeyFinder = fn(Args<'_>, &mut dyn FnMut(usize)) -> bool;

/// Which stripes a command locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// Those of the keys that its specifications find; none when it has no keys.
    Keys,
    /// Those of the commands that the session has queued, and of the keys that it watches.
    Transaction,
    /// All: it works on the whole key space, or on keys that cannot be known beforehand.
    All,
    /// None at first: the handler locks stripe by stripe (SCAN), unless it runs where all are
    /// locked already.
    Stepwise,
}

/// The family of a command, as COMMAND DOCS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Pubsub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Hyperloglog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
    Module,
}

impl Group {
    /// The name that COMMAND DOCS answers.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Pubsub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Hyperloglog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::Module => "module",
        }
    }
}

/// One row of the command table.
pub struct Command {
    /// The name in lower case; of a subcommand, without its container's.
    pub name: &'static str,
    /// Arguments, the name included: exactly so many, or at least so many if negative. For a
    /// subcommand the container's name counts too.
    pub arity: i16,
    /// What it does and when it may run.
    pub flags: Flags,
    /// How its keys are found.
    pub keys: &'static [KeySpec],
    /// Finds the keys instead of the specifications, where these can err.
    pub key_finder: Option<KeyFinder>,
    /// Which stripes it locks.
    pub locks: Locks,
    /// The argument that names the element which the command looks up first in the collection under
    /// its key, 0 if there is none. A hint, for prefetching.
    pub element: usize,
    /// ACL categories beside those that follow from the flags.
    pub categories: Categories,
    /// The version of Redis (or Valkey, then so noted in the summary) that first had it.
    pub since: &'static str,
    /// Its family.
    pub group: Group,
    /// How its time grows.
    pub complexity: &'static str,
    /// One sentence about it.
    pub summary: &'static str,
    /// Its arguments; see `syntax`.
    pub syntax: &'static str,
    /// Hints for clients that route and merge (COMMAND's tips).
    pub tips: &'static [&'static str],
    /// What replaces it, when it is deprecated.
    pub replaced_by: Option<&'static str>,
    /// What has changed since it came: the version, and what.
    pub history: &'static [(&'static str, &'static str)],
    /// The version that deprecated it.
    pub deprecated_since: Option<&'static str>,
    /// Whether it is for servers and their tests rather than for clients.
    pub is_internal: bool,
    /// Subcommands; a container has no code of its own.
    pub subcommands: &'static [Command],
    /// The code.
    pub handler: Handler,
}

/// The handler of a container: dispatch never calls it, since it finds the subcommand or fails.
fn container(_: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(super::CommandError::Syntax)
}

impl Command {
    /// What a row says when it says nothing.
    pub const DEFAULT: Command = Command {
        name: "",
        arity: 1,
        flags: Flags::empty(),
        keys: &[],
        key_finder: None,
        locks: Locks::Keys,
        element: 0,
        categories: Categories::empty(),
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "",
        syntax: "",
        tips: &[],
        replaced_by: None,
        history: &[],
        deprecated_since: None,
        is_internal: false,
        subcommands: &[],
        handler: container,
    };

    /// The row of the subcommand HELP, which every container has, made from the row that its family's
    /// rows have in common.
    pub(crate) const fn help(self, since: &'static str, handler: Handler) -> Command {
        Command {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.union(Flags::STALE),
            since,
            summary: "Explains the subcommands.",
            handler,
            ..self
        }
    }

    /// Whether so many arguments, the name included, fit.
    #[inline]
    pub fn accepts(&self, count: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity >= 0 {
            count == arity
        } else {
            count >= arity
        }
    }

    /// All ACL categories: the row's own, and those that follow from its flags as in Redis.
    pub fn all_categories(&self) -> Categories {
        let mut categories = self.categories;
        if self.flags.contains(Flags::WRITE) {
            categories |= Categories::WRITE;
        }
        if self.flags.contains(Flags::READONLY) && !categories.contains(Categories::SCRIPTING) {
            categories |= Categories::READ;
        }
        if self.flags.contains(Flags::ADMIN) {
            categories |= Categories::ADMIN | Categories::DANGEROUS;
        }
        if self.flags.contains(Flags::PUBSUB) {
            categories |= Categories::PUBSUB;
        }
        if self.flags.contains(Flags::BLOCKING) {
            categories |= Categories::BLOCKING;
        }
        categories
            | if self.flags.contains(Flags::FAST) {
                Categories::FAST
            } else {
                Categories::SLOW
            }
    }

    /// Calls `visit` with the index of each key among `arguments`. Answers `false` when they do
    /// not fit.
    pub fn find_keys(&self, arguments: Args<'_>, visit: &mut dyn FnMut(usize)) -> bool {
        if let Some(finder) = self.key_finder {
            return finder(arguments, visit);
        }
        let mut fits = true;
        for spec in self.keys {
            fits &= spec.find(arguments, visit);
        }
        fits
    }

    /// Calls `visit` with the index of each key among `arguments`, and with what is done with it, which
    /// may depend on other arguments. If they do not fit what is said of any of the keys it is not called,
    /// and `false` is answered.
    pub fn find_used_keys(
        &self,
        arguments: Args<'_>,
        visit: &mut dyn FnMut(usize, KeyFlags),
    ) -> bool {
        if let Some(keys) = self.keys_by_options(arguments) {
            keys.into_iter()
                .for_each(|(index, flags)| visit(index, flags));
            return true;
        }
        // What a specification says of itself is that it does not find all keys.
        let is_incomplete = |spec: &KeySpec| spec.flags.contains(KeyFlags::INCOMPLETE);
        if let Some(finder) = self.key_finder
            && self.keys.iter().any(is_incomplete)
        {
            return finder(arguments, &mut |index| visit(index, self.keys[0].flags));
        }
        let specs = self.keys.iter().filter(|spec| !spec.is_not_key());
        let fits = specs.clone().all(|spec| {
            let mut finds_any = false;
            let fits = spec.find(arguments, &mut |_| finds_any = true);
            fits && (finds_any || !matches!(spec.find, FindKeys::Number { .. }))
        });
        if fits {
            specs.for_each(|spec| {
                spec.find(arguments, &mut |index| visit(index, spec.flags));
            });
        }
        fits
    }

    /// The keys of a command whose options decide what is a key, or what is done with it.
    pub(crate) fn keys_by_options(&self, arguments: Args<'_>) -> Option<Vec<(usize, KeyFlags)>> {
        const READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
        const OVERWRITE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
        const EXCHANGE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);
        let is =
            |index: usize, word: &str| arguments.get(index).eq_ignore_ascii_case(word.as_bytes());
        // CONFIG SET is not SET.
        if self.keys.is_empty() {
            return None;
        }
        match self.name {
            "set" => {
                let has_get = (3..arguments.len()).any(|index| is(index, "GET"));
                Some(vec![(1, if has_get { EXCHANGE } else { OVERWRITE })])
            }
            "bitfield" => {
                let reads =
                    (2..arguments.len()).all(|index| !is(index, "SET") && !is(index, "INCRBY"));
                Some(vec![(1, if reads { READ } else { EXCHANGE })])
            }
            "sort_ro" => Some(vec![(1, READ)]),
            "sort" => {
                let mut keys = vec![(1, READ)];
                let mut store = None;
                let mut index = 2;
                while index < arguments.len() {
                    if is(index, "LIMIT") {
                        index += 2;
                    } else if is(index, "GET") || is(index, "BY") {
                        index += 1;
                    } else if is(index, "STORE") && index + 1 < arguments.len() {
                        index += 1;
                        store = Some((index, OVERWRITE));
                    }
                    index += 1;
                }
                keys.extend(store);
                Some(keys)
            }
            _ => None,
        }
    }

    /// First key, last key and step as COMMAND answers them: of a single range, or of ranges that
    /// follow on each other. All zero if there are none.
    pub fn key_range(&self) -> (i64, i64, i64) {
        if let [spec] = self.keys {
            return spec.absolute_range().unwrap_or_default();
        }
        let mut joined: Option<(i64, i64)> = None;
        for spec in self.keys {
            let Some((first, last, 1)) = spec.absolute_range() else {
                continue;
            };
            joined = match joined {
                None => Some((first, last)),
                // A negative last key is counted from the end: nothing comes behind it.
                Some((start, end)) if end == first - 1 => Some((start, last)),
                other => other,
            };
        }
        joined.map_or((0, 0, 0), |(first, last)| (first, last, 1))
    }

    /// The row's flags and those that follow from its key specifications: whether one must look
    /// at the arguments to find all keys.
    pub fn all_flags(&self) -> Flags {
        let is_incomplete = |spec: &&KeySpec| {
            spec.flags.contains(KeyFlags::INCOMPLETE) || spec.absolute_range().is_none()
        };
        let is_movable = match self.keys {
            [] => false,
            [spec] => is_incomplete(&spec),
            specs => {
                let mut end = None;
                let mut is_plain = |spec: &KeySpec| match spec.absolute_range() {
                    Some((first, last, 1)) if end.is_none_or(|end| end == first - 1) => {
                        end = Some(last);
                        true
                    }
                    _ => false,
                };
                specs
                    .iter()
                    .any(|spec| !is_plain(spec) || is_incomplete(&spec))
            }
        };
        if is_movable {
            self.flags | Flags::MOVABLEKEYS
        } else {
            self.flags
        }
    }
}
