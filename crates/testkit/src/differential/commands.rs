//! The calls that the fuzzer draws from: one row a call form, with its family and weight. Which
//! values stand behind the kinds of arguments is in `generate`.

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
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 18] = [
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

const fn plain(family: Family, weight: u32, template: &'static str) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Plain,
    }
}

const fn careful(family: Family, weight: u32, template: &'static str) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Careful,
    }
}

const fn blocking(family: Family, weight: u32, template: &'static str) -> Row {
    Row {
        family,
        weight,
        template,
        form: Form::Blocking,
    }
}

const fn sweeping(weight: u32, template: &'static str) -> Row {
    Row {
        family: Generic,
        weight,
        template,
        form: Form::Sweeping,
    }
}

const fn consuming(weight: u32, template: &'static str) -> Row {
    Row {
        family: Stream,
        weight,
        template,
        form: Form::Consuming,
    }
}

const fn subscribing(weight: u32, template: &'static str) -> Row {
    Row {
        family: PubSub,
        weight,
        template,
        form: Form::Subscribing,
    }
}

const fn drawing(
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

use Family::{
    Bitmap, Connection, Dump, Expire, Function, Generic, Geo, Hash, HyperLogLog, List, PubSub,
    Script, Server, Set, SortedSet, Stream, String, Transaction,
};

/// Every form of call.
pub const ROWS: &[Row] = &[
    plain(String, 6, "APPEND string tail"),
    plain(String, 5, "DECR string"),
    plain(String, 5, "DECRBY string integer"),
    plain(String, 10, "GET string"),
    plain(String, 3, "GETDEL string"),
    plain(
        String,
        5,
        "GETEX string [EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds|PERSIST]",
    ),
    plain(String, 6, "GETRANGE string index index"),
    plain(String, 3, "GETSET string value"),
    plain(String, 6, "INCR string"),
    plain(String, 6, "INCRBY string integer"),
    plain(String, 6, "INCRBYFLOAT string double"),
    plain(
        String,
        4,
        "LCS string string [LEN] [IDX] [MINMATCHLEN count] [WITHMATCHLEN]",
    ),
    plain(
        String,
        1,
        "LCS string string (LEN|IDX|MINMATCHLEN count|WITHMATCHLEN)...",
    ),
    plain(
        String,
        3,
        "SET string value (NX|XX|GET|EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds|KEEPTTL)...",
    ),
    plain(
        String,
        1,
        "GETEX string (EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds|PERSIST)...",
    ),
    plain(String, 4, "MGET string..."),
    plain(String, 4, "MSET (string value)..."),
    plain(String, 3, "MSETNX (string value)..."),
    plain(String, 3, "PSETEX string milliseconds value"),
    plain(String, 12, "SET string value"),
    plain(
        String,
        12,
        "SET string value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds|KEEPTTL]",
    ),
    plain(String, 3, "SETEX string seconds value"),
    plain(String, 3, "SETNX string value"),
    plain(String, 5, "SETRANGE string offset tail"),
    plain(String, 5, "STRLEN string"),
    plain(String, 2, "SUBSTR string index index"),
    // Values for names: nothing else than these writes to them.
    careful(String, 1, "SET text value"),
    plain(Bitmap, 4, "BITCOUNT string [index index [BYTE|BIT]]"),
    plain(
        Bitmap,
        4,
        "BITFIELD string [OVERFLOW (WRAP|SAT|FAIL)] (GET field-type field-offset|SET field-type field-offset integer|INCRBY field-type field-offset integer)...",
    ),
    plain(
        Bitmap,
        2,
        "BITFIELD string (GET field-type field-offset|SET field-type field-offset integer|OVERFLOW (WRAP|SAT|FAIL)|INCRBY field-type field-offset integer)...",
    ),
    plain(
        Bitmap,
        2,
        "BITFIELD_RO string (GET field-type field-offset)...",
    ),
    plain(
        Bitmap,
        1,
        "BITFIELD_RO string (GET field-type field-offset|SET field-type field-offset integer)",
    ),
    plain(Bitmap, 4, "BITOP (AND|OR|XOR|NOT) string string..."),
    plain(Bitmap, 1, "BITOP NOT string string"),
    plain(Bitmap, 4, "BITPOS string bit [index [index [BYTE|BIT]]]"),
    plain(Bitmap, 4, "GETBIT string bit-offset"),
    plain(Bitmap, 6, "SETBIT string bit-offset bit"),
    blocking(
        List,
        2,
        "BLMOVE list list (LEFT|RIGHT) (LEFT|RIGHT) timeout",
    ),
    blocking(
        List,
        2,
        "BLMPOP timeout numkeys-list (LEFT|RIGHT) [COUNT count]",
    ),
    blocking(List, 2, "BLPOP list... timeout"),
    blocking(List, 2, "BRPOP list... timeout"),
    blocking(List, 1, "BRPOPLPUSH list list timeout"),
    // Lists for names: nothing else than this makes them.
    careful(List, 1, "RPUSH queue value..."),
    plain(List, 7, "LINDEX list index"),
    plain(List, 8, "LINSERT list (BEFORE|AFTER) value value"),
    plain(List, 6, "LLEN list"),
    plain(List, 7, "LMOVE list list (LEFT|RIGHT) (LEFT|RIGHT)"),
    plain(List, 5, "LMPOP numkeys-list (LEFT|RIGHT) [COUNT count]"),
    plain(List, 6, "LPOP list [count]"),
    plain(
        List,
        8,
        "LPOS list value [RANK rank] [COUNT count] [MAXLEN count]",
    ),
    plain(
        List,
        2,
        "LPOS list value (RANK rank|COUNT count|MAXLEN count)...",
    ),
    plain(List, 14, "LPUSH list value..."),
    plain(List, 4, "LPUSHX list value..."),
    plain(List, 10, "LRANGE list index index"),
    plain(List, 6, "LREM list removals value"),
    plain(List, 7, "LSET list index value"),
    plain(List, 3, "LTRIM list index index"),
    plain(List, 6, "RPOP list [count]"),
    plain(List, 4, "RPOPLPUSH list list"),
    plain(List, 14, "RPUSH list value..."),
    plain(List, 4, "RPUSHX list value..."),
    plain(Hash, 8, "HDEL hash field..."),
    plain(Hash, 6, "HEXISTS hash field"),
    plain(Hash, 8, "HGET hash field"),
    plain(Hash, 6, "HGETALL hash"),
    plain(Hash, 7, "HINCRBY hash field integer"),
    plain(Hash, 7, "HINCRBYFLOAT hash field double"),
    plain(Hash, 4, "HKEYS hash"),
    plain(Hash, 6, "HLEN hash"),
    plain(Hash, 6, "HMGET hash field..."),
    plain(Hash, 5, "HMSET hash (field value)..."),
    plain(Hash, 18, "HSET hash (field value)..."),
    plain(Hash, 5, "HSETNX hash field value"),
    plain(Hash, 5, "HSTRLEN hash field"),
    plain(Hash, 4, "HVALS hash"),
    careful(Hash, 4, "HSCAN hash cursor [MATCH pattern] [COUNT large]"),
    drawing(
        Hash,
        4,
        "HRANDFIELD hash [draw-count [WITHVALUES]]",
        "HGETALL",
        false,
    ),
    plain(Set, 18, "SADD set member..."),
    plain(Set, 6, "SCARD set"),
    plain(Set, 5, "SDIFF set..."),
    plain(Set, 4, "SDIFFSTORE set set..."),
    plain(Set, 5, "SINTER set..."),
    plain(Set, 5, "SINTERCARD numkeys-set [LIMIT count]"),
    plain(Set, 4, "SINTERSTORE set set..."),
    plain(Set, 7, "SISMEMBER set member"),
    plain(Set, 5, "SMEMBERS set"),
    plain(Set, 5, "SMISMEMBER set member..."),
    plain(Set, 6, "SMOVE set set member"),
    plain(Set, 9, "SREM set member..."),
    plain(Set, 5, "SUNION set..."),
    plain(Set, 4, "SUNIONSTORE set set..."),
    careful(Set, 4, "SSCAN set cursor [MATCH pattern] [COUNT large]"),
    drawing(Set, 2, "SPOP set [draw-count]", "SMEMBERS", true),
    drawing(Set, 4, "SRANDMEMBER set [draw-count]", "SMEMBERS", false),
    blocking(
        SortedSet,
        2,
        "BZMPOP timeout numkeys-zset (MIN|MAX) [COUNT count]",
    ),
    blocking(SortedSet, 2, "BZPOPMAX zset... timeout"),
    blocking(SortedSet, 2, "BZPOPMIN zset... timeout"),
    plain(SortedSet, 18, "ZADD zset (score member)..."),
    plain(
        SortedSet,
        12,
        "ZADD zset [NX|XX] [GT|LT] [CH] [INCR] (score member)...",
    ),
    plain(
        SortedSet,
        4,
        "ZADD zset (NX|XX|GT|LT|CH|INCR)... (score member)...",
    ),
    plain(SortedSet, 5, "ZCARD zset"),
    plain(SortedSet, 6, "ZCOUNT zset bound bound"),
    plain(SortedSet, 3, "ZDIFF numkeys-zset [WITHSCORES]"),
    plain(SortedSet, 3, "ZDIFFSTORE zset numkeys-zset"),
    plain(SortedSet, 8, "ZINCRBY zset score member"),
    plain(
        SortedSet,
        3,
        "ZINTER numkeys-zset [WEIGHTS weights] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]",
    ),
    plain(SortedSet, 4, "ZINTERCARD numkeys-zset [LIMIT count]"),
    plain(
        SortedSet,
        4,
        "ZINTERSTORE zset numkeys-zset [WEIGHTS weights] [AGGREGATE (SUM|MIN|MAX)]",
    ),
    careful(SortedSet, 5, "ZLEXCOUNT lex lex-bound lex-bound"),
    plain(SortedSet, 4, "ZMPOP numkeys-zset (MIN|MAX) [COUNT count]"),
    plain(SortedSet, 5, "ZMSCORE zset member..."),
    plain(SortedSet, 4, "ZPOPMAX zset [count]"),
    plain(SortedSet, 4, "ZPOPMIN zset [count]"),
    plain(SortedSet, 8, "ZRANGE zset index index [REV] [WITHSCORES]"),
    plain(
        SortedSet,
        8,
        "ZRANGE zset bound bound BYSCORE [REV] [LIMIT index index] [WITHSCORES]",
    ),
    plain(
        SortedSet,
        4,
        "ZRANGE zset bound bound (BYSCORE|REV|LIMIT index index|WITHSCORES)...",
    ),
    plain(
        SortedSet,
        1,
        "ZRANGE lex lex-bound lex-bound BYLEX (BYLEX|REV|LIMIT index index|WITHSCORES)...",
    ),
    plain(
        SortedSet,
        5,
        "ZRANGE lex lex-bound lex-bound BYLEX [REV] [LIMIT index index]",
    ),
    plain(
        SortedSet,
        5,
        "ZRANGEBYLEX lex lex-bound lex-bound [LIMIT index index]",
    ),
    plain(
        SortedSet,
        6,
        "ZRANGEBYSCORE zset bound bound [WITHSCORES] [LIMIT index index]",
    ),
    plain(SortedSet, 5, "ZRANGESTORE zset zset index index [REV]"),
    careful(
        SortedSet,
        2,
        "ZRANGESTORE lex lex lex-bound lex-bound BYLEX [REV] [LIMIT index index]",
    ),
    plain(
        SortedSet,
        1,
        "ZRANGESTORE zset zset bound bound (BYSCORE|REV|LIMIT index index|WITHSCORES)...",
    ),
    plain(
        SortedSet,
        4,
        "ZRANGESTORE zset zset bound bound BYSCORE [REV] [LIMIT index index]",
    ),
    // With one word more they are other commands since 7.2 (see `versions`), which in a transaction
    // decides whether all of it is run.
    careful(SortedSet, 6, "ZRANK zset member"),
    plain(SortedSet, 8, "ZREM zset member..."),
    careful(SortedSet, 8, "ZADD lex (0 member)..."),
    careful(SortedSet, 2, "ZREM lex member..."),
    careful(SortedSet, 2, "ZREMRANGEBYLEX lex lex-bound lex-bound"),
    plain(SortedSet, 2, "ZREMRANGEBYRANK zset index index"),
    plain(SortedSet, 2, "ZREMRANGEBYSCORE zset bound bound"),
    plain(SortedSet, 5, "ZREVRANGE zset index index [WITHSCORES]"),
    plain(
        SortedSet,
        4,
        "ZREVRANGEBYLEX lex lex-bound lex-bound [LIMIT index index]",
    ),
    plain(
        SortedSet,
        5,
        "ZREVRANGEBYSCORE zset bound bound [WITHSCORES] [LIMIT index index]",
    ),
    careful(SortedSet, 6, "ZREVRANK zset member"),
    plain(SortedSet, 6, "ZSCORE zset member"),
    plain(
        SortedSet,
        3,
        "ZUNION numkeys-zset [WEIGHTS weights] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]",
    ),
    plain(
        SortedSet,
        4,
        "ZUNIONSTORE zset numkeys-zset [WEIGHTS weights] [AGGREGATE (SUM|MIN|MAX)]",
    ),
    careful(
        SortedSet,
        4,
        "ZSCAN zset cursor [MATCH pattern] [COUNT large]",
    ),
    drawing(
        SortedSet,
        4,
        "ZRANDMEMBER zset [draw-count [WITHSCORES]]",
        "ZRANGE",
        false,
    ),
    plain(Generic, 6, "COPY key key [DB database] [REPLACE]"),
    plain(Generic, 5, "DEL key..."),
    plain(Generic, 5, "EXISTS key..."),
    plain(Generic, 3, "KEYS pattern"),
    plain(Generic, 3, "MOVE key database"),
    plain(Generic, 8, "OBJECT ENCODING key"),
    plain(Generic, 2, "OBJECT REFCOUNT key"),
    plain(Generic, 1, "OBJECT FREQ key"),
    plain(Generic, 1, "OBJECT IDLETIME key"),
    plain(Generic, 2, "OBJECT junk key"),
    plain(Generic, 6, "RENAME key key"),
    plain(Generic, 5, "RENAMENX key key"),
    plain(Generic, 4, "TOUCH key..."),
    plain(Generic, 6, "TYPE key"),
    plain(Generic, 3, "UNLINK key..."),
    sweeping(3, "SCAN 0 [MATCH pattern] [COUNT large] [TYPE type]"),
    sweeping(
        1,
        "SCAN cursor (MATCH pattern|COUNT large|TYPE type|junk)...",
    ),
    careful(Generic, 1, "OBJECT HELP"),
    careful(Generic, 1, "WAIT 0 count"),
    drawing(Generic, 2, "RANDOMKEY", "SCAN", false),
    plain(
        Generic,
        8,
        "SORT (list|set|zset) [LIMIT index index] [GET sort-pattern] [ASC|DESC] [ALPHA]",
    ),
    careful(
        Generic,
        4,
        "SORT (list|set|zset) BY sort-by [LIMIT index index] [GET sort-pattern]... [ASC|DESC]",
    ),
    careful(
        Generic,
        2,
        "SORT (queue|lex) BY ('nosort|'none) [LIMIT index index] [GET sort-pattern]... [ASC|DESC] [STORE list]",
    ),
    plain(
        Generic,
        4,
        "SORT_RO (list|set|zset) [LIMIT index index] [ASC|DESC] [ALPHA]",
    ),
    careful(
        Generic,
        1,
        "SORT_RO (list|set|zset) BY sort-by [LIMIT index index] [GET sort-pattern]... [ASC|DESC]",
    ),
    plain(
        Generic,
        4,
        "SORT (list|set|zset) [LIMIT index index] [ASC|DESC] [ALPHA] STORE list",
    ),
    plain(Generic, 3, "DBSIZE"),
    plain(Generic, 1, "FLUSHDB [ASYNC|SYNC]"),
    plain(Generic, 1, "FLUSHALL [ASYNC|SYNC]"),
    plain(Generic, 2, "SWAPDB database database"),
    plain(Generic, 3, "SELECT database"),
    plain(Expire, 6, "EXPIRE key seconds [NX|XX|GT|LT]"),
    plain(Expire, 4, "EXPIREAT key unix-seconds [NX|XX|GT|LT]"),
    plain(Expire, 4, "PEXPIRE key milliseconds [NX|XX|GT|LT]"),
    plain(Expire, 4, "PEXPIREAT key unix-milliseconds [NX|XX|GT|LT]"),
    plain(Expire, 5, "TTL key"),
    plain(Expire, 4, "PTTL key"),
    plain(Expire, 4, "EXPIRETIME key"),
    plain(Expire, 4, "PEXPIRETIME key"),
    plain(Expire, 4, "PERSIST key"),
    plain(Expire, 2, "EXPIRE key seconds (NX|XX|GT|LT)..."),
    plain(
        Expire,
        1,
        "PEXPIREAT key unix-milliseconds (NX|XX|GT|LT)...",
    ),
    plain(Transaction, 4, "WATCH key..."),
    plain(Transaction, 3, "UNWATCH"),
    plain(Transaction, 2, "EXEC"),
    plain(Transaction, 2, "DISCARD"),
    plain(Connection, 2, "PING [value]"),
    plain(Connection, 2, "ECHO value"),
    careful(Connection, 4, "HELLO (2|3)"),
    careful(Connection, 1, "RESET"),
    careful(Connection, 2, "CLIENT SETNAME name"),
    careful(Connection, 2, "CLIENT GETNAME"),
    careful(Connection, 1, "CLIENT ID"),
    careful(Connection, 1, "CLIENT INFO"),
    careful(
        Connection,
        1,
        "CLIENT LIST [TYPE ('normal|'pubsub|'nosuch)|ID count...|ID]",
    ),
    careful(Connection, 1, "CLIENT NO-EVICT (ON|OFF|junk)"),
    careful(Connection, 1, "CLIENT REPLY ON"),
    careful(
        Connection,
        1,
        "CLIENT UNBLOCK (0|junk) [TIMEOUT|ERROR|junk]",
    ),
    careful(
        Connection,
        1,
        "CLIENT KILL (junk|ID 9223372036854775807|ID junk|ADDR junk|SKIPME junk)",
    ),
    careful(
        Connection,
        1,
        "CLIENT (HELP|unknown|PAUSE 'x|UNPAUSE|GETREDIR)",
    ),
    careful(
        Connection,
        2,
        "HELLO [(2|3|4|0|-1|'x) [AUTH 'default name|AUTH name|unknown] [SETNAME name]]",
    ),
    careful(Connection, 1, "AUTH name [name]"),
    careful(Connection, 2, "unknown [value] [value] [junk]..."),
    plain(Script, 1, "EVALSHA digest 0 GET string"),
    plain(Script, 1, "EVALSHA_RO digest 1 key (GET|INCR) string"),
    plain(Script, 1, "SCRIPT EXISTS digest..."),
    careful(Script, 1, "SCRIPT FLUSH [SYNC|ASYNC|junk]"),
    careful(Script, 1, "SCRIPT (HELP|KILL|unknown)"),
    plain(PubSub, 4, "PUBLISH channel value"),
    plain(PubSub, 1, "SPUBLISH channel value"),
    plain(PubSub, 1, "PUBSUB CHANNELS [channel-pattern]"),
    plain(PubSub, 1, "PUBSUB NUMSUB channel..."),
    plain(PubSub, 1, "PUBSUB NUMPAT"),
    plain(PubSub, 1, "PUBSUB SHARDCHANNELS [channel-pattern]"),
    plain(PubSub, 1, "PUBSUB SHARDNUMSUB channel..."),
    careful(PubSub, 1, "PUBSUB (HELP|unknown)"),
    subscribing(4, "SUBSCRIBE channel..."),
    subscribing(4, "PSUBSCRIBE channel-pattern..."),
    subscribing(2, "SSUBSCRIBE channel..."),
    subscribing(2, "UNSUBSCRIBE [channel]..."),
    subscribing(2, "PUNSUBSCRIBE [channel-pattern]..."),
    subscribing(1, "SUNSUBSCRIBE [channel]..."),
    careful(
        Server,
        3,
        "CONFIG SET ('hash-max-listpack-value|'zset-max-listpack-entries|'zset-max-listpack-value|'set-max-intset-entries) limit",
    ),
    careful(Server, 1, "CONFIG SET 'list-max-listpack-size list-limit"),
    careful(Server, 1, "CONFIG SET 'list-compress-depth (0|1|2)"),
    careful(
        Server,
        1,
        "CONFIG SET ('zset-max-ziplist-entries|'zset-max-ziplist-value|'hash-max-ziplist-value) limit ('zset-max-listpack-entries|'set-max-intset-entries) limit",
    ),
    careful(
        Server,
        1,
        "CONFIG SET (unknown value|'hash-max-listpack-entries|'maxmemory-policy 'nosuch|'appendonly junk)",
    ),
    careful(
        Server,
        1,
        "CONFIG GET ('hash-max-*|'zset-max-ziplist-value|'nosuch|'maxmemory|'save) [junk]",
    ),
    careful(Server, 1, "CONFIG (HELP|RESETSTAT|unknown)"),
    careful(Server, 2, "DEBUG DIGEST-VALUE key..."),
    careful(Server, 1, "DEBUG DIGEST"),
    careful(
        Server,
        1,
        "DEBUG PROTOCOL ('string|'integer|'double|'null|'array|'set|'map|'attrib|'verbatim|'true|'false|'bignum|unknown)",
    ),
    careful(Server, 1, "DEBUG (HELP|unknown|ERROR value)"),
    careful(Server, 1, "TIME"),
    careful(Server, 1, "LASTSAVE"),
    careful(Server, 1, "ROLE"),
    careful(Server, 1, "COMMAND COUNT"),
    careful(Server, 1, "COMMAND GETKEYS unknown value..."),
    careful(Server, 1, "COMMAND (HELP|unknown)"),
    careful(Server, 1, "INFO ('server|'clients|'nosuch|'commandstats)"),
    careful(Server, 1, "SLOWLOG (LEN junk|HELP|unknown|GET 'x)"),
    careful(Server, 1, "MEMORY USAGE key [SAMPLES count|junk]"),
    careful(Server, 1, "MEMORY (HELP|unknown)"),
    plain(
        Stream,
        18,
        "XADD stream [NOMKSTREAM] [(MAXLEN|MINID) '= threshold] new-id (field value)...",
    ),
    plain(Stream, 3, "XADD stream stream-id (field value)..."),
    plain(
        Stream,
        2,
        "XADD stream (NOMKSTREAM|(MAXLEN|MINID) ['=] threshold|LIMIT count)... new-id field value",
    ),
    plain(Stream, 4, "XLEN stream"),
    plain(Stream, 8, "XRANGE stream range-id range-id [COUNT count]"),
    plain(
        Stream,
        8,
        "XREVRANGE stream range-id range-id [COUNT count]",
    ),
    plain(Stream, 5, "XDEL stream stream-id..."),
    plain(
        Stream,
        3,
        "XTRIM stream (MAXLEN|MINID) ['=] threshold [LIMIT count]",
    ),
    plain(
        Stream,
        3,
        "XSETID stream far-id [ENTRIESADDED ('0|'5|'100|'x) MAXDELETEDID stream-id]",
    ),
    plain(
        Stream,
        6,
        "XREAD [COUNT count] STREAMS stream ('$|stream-id)",
    ),
    plain(
        Stream,
        2,
        "XREAD [COUNT count] STREAMS stream stream stream-id stream-id",
    ),
    blocking(
        Stream,
        3,
        "XREAD [COUNT count] BLOCK 1 STREAMS stream ('$|stream-id)",
    ),
    plain(
        Stream,
        6,
        "XGROUP CREATE stream group ('$|stream-id) [MKSTREAM] [ENTRIESREAD ('-1|'x)]",
    ),
    plain(
        Stream,
        2,
        "XGROUP SETID stream group ('$|stream-id) [ENTRIESREAD ('-1|'x)]",
    ),
    plain(Stream, 1, "XGROUP DESTROY stream group"),
    plain(Stream, 2, "XGROUP CREATECONSUMER stream group consumer"),
    plain(Stream, 1, "XGROUP DELCONSUMER stream group consumer"),
    careful(Stream, 1, "XGROUP (HELP|unknown)"),
    consuming(
        12,
        "XREADGROUP GROUP group consumer [COUNT count] [NOACK] STREAMS stream ('>|'>|stream-id)",
    ),
    plain(Stream, 6, "XACK stream group stream-id..."),
    consuming(
        4,
        "XCLAIM stream group consumer min-idle stream-id... [IDLE idle|TIME claim-time] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID stream-id]",
    ),
    consuming(
        4,
        "XAUTOCLAIM stream group consumer min-idle stream-id [COUNT count] [JUSTID]",
    ),
    plain(Stream, 4, "XPENDING stream group"),
    plain(
        Stream,
        4,
        "XPENDING stream group [IDLE min-idle] range-id range-id count [consumer]",
    ),
    plain(Stream, 3, "XINFO STREAM stream [FULL [COUNT count]]"),
    plain(Stream, 2, "XINFO GROUPS stream"),
    plain(Stream, 2, "XINFO CONSUMERS stream group"),
    careful(Stream, 1, "XINFO (HELP|unknown)"),
    plain(Geo, 12, "GEOADD geo [NX|XX] [CH] (position member)..."),
    plain(Geo, 5, "GEODIST geo member member [unit]"),
    plain(Geo, 4, "GEOHASH geo member..."),
    plain(Geo, 4, "GEOPOS geo member..."),
    plain(
        Geo,
        8,
        "GEOSEARCH geo (FROMMEMBER member|FROMLONLAT position) (BYRADIUS radius unit|BYBOX radius radius unit) (ASC|DESC) [COUNT count] [WITHCOORD] [WITHDIST] [WITHHASH]",
    ),
    plain(
        Geo,
        2,
        "GEOSEARCH geo (FROMMEMBER member|FROMLONLAT position|BYRADIUS radius unit|BYBOX radius radius unit|ASC|DESC|COUNT count|WITHDIST)... ASC",
    ),
    plain(
        Geo,
        4,
        "GEOSEARCHSTORE geo geo (FROMMEMBER member|FROMLONLAT position) (BYRADIUS radius unit|BYBOX radius radius unit) [ASC|DESC] [COUNT count]",
    ),
    plain(
        Geo,
        3,
        "GEOSEARCHSTORE zset geo FROMLONLAT position BYRADIUS radius unit STOREDIST",
    ),
    plain(
        Geo,
        3,
        "(GEORADIUS|GEORADIUS_RO) geo position radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count] (ASC|DESC)",
    ),
    plain(
        Geo,
        3,
        "(GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO) geo member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count] (ASC|DESC)",
    ),
    plain(
        Geo,
        2,
        "GEORADIUS geo position radius unit [COUNT count] (STORE geo|STOREDIST zset)",
    ),
    plain(
        Geo,
        2,
        "GEORADIUSBYMEMBER geo member radius unit [COUNT count] (STORE geo|STOREDIST zset)",
    ),
    plain(HyperLogLog, 10, "PFADD hll value..."),
    plain(HyperLogLog, 4, "PFADD hll member..."),
    plain(HyperLogLog, 1, "PFADD hll"),
    plain(HyperLogLog, 6, "PFCOUNT hll..."),
    plain(HyperLogLog, 4, "PFMERGE hll hll..."),
    plain(HyperLogLog, 2, "GET hll"),
    plain(Dump, 2, "DUMP key"),
    careful(
        Dump,
        6,
        "RESTORE key 0 payload [REPLACE] [IDLETIME seconds-idle|FREQ frequency]",
    ),
    careful(Dump, 3, "RESTORE key milliseconds payload [REPLACE]"),
    careful(
        Dump,
        2,
        "RESTORE key unix-milliseconds payload ABSTTL [REPLACE]",
    ),
    careful(
        Dump,
        2,
        "RESTORE key (0|junk) (payload|junk|value) (REPLACE|ABSTTL|IDLETIME count|FREQ count|junk)...",
    ),
    careful(Function, 5, "FUNCTION LOAD [REPLACE] library"),
    careful(Function, 1, "FUNCTION LOAD junk library"),
    careful(Function, 2, "FUNCTION DELETE library-name"),
    careful(Function, 1, "FUNCTION FLUSH [SYNC|ASYNC|junk]"),
    careful(
        Function,
        2,
        "FUNCTION LIST [LIBRARYNAME library-name] [WITHCODE]",
    ),
    careful(Function, 1, "FUNCTION LIST junk"),
    careful(Function, 1, "FUNCTION STATS"),
    careful(Function, 1, "FUNCTION DUMP"),
    careful(
        Function,
        1,
        "FUNCTION RESTORE (junk|payload) [FLUSH|APPEND|REPLACE|junk]",
    ),
    careful(Function, 1, "FUNCTION (HELP|KILL|unknown)"),
    plain(Function, 2, "(FCALL|FCALL_RO) function count key [value]"),
    plain(
        Function,
        3,
        "(FCALL|FCALL_RO) function 1 key (GET|TYPE|INCR|'lpush) key",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::grammar;

    #[test]
    fn every_template_parses() {
        for row in ROWS {
            grammar::parse(row.template);
        }
    }
}
