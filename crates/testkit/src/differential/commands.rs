//! What a form of call is: its family, its weight, its template, and how its calls are drawn. The forms
//! themselves stand in `rows`, the values behind the kinds of arguments in `pools`.

/// The families of commands, as the reference manual groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    String,
    Bitmap,
    List,
    Hash,
    Set,
    SortedSet,
    Generic,
    Expire,
    Transaction,
    Connection,
    Script,
    PubSub,
    Server,
    Stream,
    Geo,
    HyperLogLog,
    Dump,
    Function,
    Acl,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::String,
        Self::Bitmap,
        Self::List,
        Self::Hash,
        Self::Set,
        Self::SortedSet,
        Self::Generic,
        Self::Expire,
        Self::Transaction,
        Self::Connection,
        Self::Script,
        Self::PubSub,
        Self::Server,
        Self::Stream,
        Self::Geo,
        Self::HyperLogLog,
        Self::Dump,
        Self::Function,
        Self::Acl,
    ];

    /// As on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Bitmap => "bitmap",
            Self::List => "list",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Generic => "generic",
            Self::Expire => "expire",
            Self::Transaction => "transaction",
            Self::Connection => "connection",
            Self::Script => "script",
            Self::PubSub => "pubsub",
            Self::Server => "server",
            Self::Stream => "stream",
            Self::Geo => "geo",
            Self::HyperLogLog => "hyperloglog",
            Self::Dump => "dump",
            Self::Function => "function",
            Self::Acl => "acl",
        }
    }
}

/// How a row's calls are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Words may be dropped, doubled and replaced, to see what errors are answered.
    Plain,
    /// Never mangled: a mangled call may block for ever or answer without end.
    Careful,
    /// Blocks when there is nothing; never mangled. Its only timeout argument is short, and zero
    /// where the call is drawn for a connection that may wait.
    Blocking,
    /// Goes over all keys, and deletes the expired ones that it meets: these are swept away before,
    /// because which it meets is not the same in all versions. Never mangled.
    Sweeping,
    /// Subscribes, or ends subscriptions: never on the main connection.
    Subscribing,
    /// Names a consumer of a group, which is made before: since 7.2 one that gets nothing is made, too. Never mangled,
    /// and never part of another call.
    Consuming,
    /// Draws elements by chance from the collection under its key. Before it the whole collection
    /// is read, and after it the key is deleted if the call may have changed it.
    Draw {
        /// The command that reads the whole collection.
        read: &'static str,
        /// Whether the call removes what it draws, so that the two servers differ afterwards.
        removes: bool,
    },
}

/// One form of call.
#[derive(Debug)]
pub struct Row {
    pub family: Family,
    pub weight: u32,
    pub template: &'static str,
    pub form: Form,
}

pub(super) const fn plain(family: Family, weight: u32, template: &'static str) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Plain,
    }
}

pub(super) const fn careful(family: Family, weight: u32, template: &'static str) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Careful,
    }
}

pub(super) const fn blocking(family: Family, weight: u32, template: &'static str) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Blocking,
    }
}

pub(super) const fn sweeping(weight: u32, template: &'static str) -> Row {
    Row {
        family: Family::Generic,
        weight,
        template,
        form: Form::Sweeping,
    }
}

pub(super) const fn consuming(weight: u32, template: &'static str) -> Row {
    Row {
        family: Family::Stream,
        weight,
        template,
        form: Form::Consuming,
    }
}

pub(super) const fn subscribing(weight: u32, template: &'static str) -> Row {
    Row {
        family: Family::PubSub,
        weight,
        template,
        form: Form::Subscribing,
    }
}

pub(super) const fn drawing(
    family: Family,
    weight: u32,
    template: &'static str,
    read: &'static str,
    removes: bool,
) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Draw { read, removes },
    }
}
