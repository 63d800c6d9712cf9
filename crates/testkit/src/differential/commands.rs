//! The calls that the fuzzer draws from: one row a call form, with its family and weight. Which
//! values stand behind the kinds of arguments is in `generate`.

/// The families of commands, as the reference manual groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    String,
    List,
    Hash,
    Set,
    SortedSet,
    Generic,
    Expire,
    Transaction,
    Connection,
}

/// How a row's calls are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Words may be dropped, doubled and replaced, to see what errors are answered.
    Plain,
    /// Never mangled: a mangled call may block for ever or answer without end.
    Careful,
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

use Family::{Connection, Expire, Generic, Hash, List, Set, SortedSet, String, Transaction};

/// Every form of call.
pub const ROWS: &[Row] = &[
    plain(String, 6, "APPEND string value"),
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
    plain(String, 5, "SETRANGE string offset value"),
    plain(String, 5, "STRLEN string"),
    plain(String, 2, "SUBSTR string index index"),
    careful(
        List,
        2,
        "BLMOVE list list (LEFT|RIGHT) (LEFT|RIGHT) timeout",
    ),
    careful(
        List,
        2,
        "BLMPOP timeout numkeys-list (LEFT|RIGHT) [COUNT count]",
    ),
    careful(List, 2, "BLPOP list... timeout"),
    careful(List, 2, "BRPOP list... timeout"),
    careful(List, 1, "BRPOPLPUSH list list timeout"),
    plain(List, 7, "LINDEX list index"),
    plain(List, 8, "LINSERT list (BEFORE|AFTER) value value"),
    plain(List, 6, "LLEN list"),
    plain(List, 7, "LMOVE list list (LEFT|RIGHT) (LEFT|RIGHT)"),
    plain(List, 5, "LMPOP numkeys-list (LEFT|RIGHT) [COUNT count]"),
    plain(List, 6, "LPOP list [count]"),
    plain(
        List,
        8,
        "LPOS list value [RANK integer] [COUNT count] [MAXLEN count]",
    ),
    plain(List, 14, "LPUSH list value..."),
    plain(List, 4, "LPUSHX list value..."),
    plain(List, 10, "LRANGE list index index"),
    plain(List, 6, "LREM list index value"),
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
    careful(
        SortedSet,
        2,
        "BZMPOP timeout numkeys-zset (MIN|MAX) [COUNT count]",
    ),
    careful(SortedSet, 2, "BZPOPMAX zset... timeout"),
    careful(SortedSet, 2, "BZPOPMIN zset... timeout"),
    plain(SortedSet, 18, "ZADD zset (score member)..."),
    plain(
        SortedSet,
        12,
        "ZADD zset [NX|XX] [GT|LT] [CH] [INCR] (score member)...",
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
    careful(
        Generic,
        4,
        "SCAN cursor [MATCH pattern] [COUNT large] [TYPE type]",
    ),
    drawing(Generic, 2, "RANDOMKEY", "KEYS", false),
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
    plain(
        Generic,
        4,
        "SORT_RO (list|set|zset) [LIMIT index index] [ASC|DESC] [ALPHA]",
    ),
    plain(
        Generic,
        4,
        "SORT (list|set|zset) [LIMIT index index] [ASC|DESC] [ALPHA] STORE list",
    ),
    plain(Generic, 3, "DBSIZE"),
    plain(Generic, 1, "FLUSHDB [ASYNC|SYNC]"),
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
