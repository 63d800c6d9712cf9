//! What the recorded conversations with Redis 7.0 cannot hold: options and forms that came later, and chance.

use std::collections::BTreeSet;

use crate::cmd::testing::TestSession;

#[track_caller]
fn check(session: &mut TestSession, conversation: &[(&str, &str)]) {
    for (command, reply) in conversation {
        assert_eq!(session.run(command), *reply, "{command}");
    }
}

fn new_session() -> TestSession {
    TestSession::new(&[])
}

#[test]
fn a_rank_may_come_with_its_score() {
    check(
        &mut new_session(),
        &[
            ("ZADD z 1 a 2.5 b 7 c", ":3"),
            ("ZRANK z b WITHSCORE", "*2 :1 $3 2.5"),
            ("ZREVRANK z a withscore", "*2 :2 $1 1"),
            ("ZRANK z absent WITHSCORE", "*-1"),
            ("ZRANK absent a WITHSCORE", "*-1"),
            ("ZRANK z absent", "$-1"),
            ("ZRANK z a WITHSCORES", "-ERR syntax error"),
            (
                "ZRANK z a WITHSCORE x",
                "-ERR wrong number of arguments for 'zrank' command",
            ),
        ],
    );
}

#[test]
fn a_command_with_many_pairs_makes_the_large_form_at_once() {
    let mut session = TestSession::new(&[("zset-max-listpack-entries", "3")]);
    check(
        &mut session,
        &[
            // Three members in four pairs: Redis counts the pairs since 7.2.
            ("ZADD z 1 a 1 b 1 c 2 a", ":3"),
            ("OBJECT ENCODING z", "$8 skiplist"),
            ("ZADD y 1 a 1 b 1 c", ":3"),
            ("OBJECT ENCODING y", "$8 listpack"),
            ("ZADD y 1 a 1 b 1 c 2 a", ":0"),
            ("OBJECT ENCODING y", "$8 skiplist"),
        ],
    );
}

#[test]
fn a_scan_may_leave_the_scores_out() {
    check(
        &mut new_session(),
        &[
            ("ZADD z 1 a 2.5 b", ":2"),
            ("ZSCAN z 0", "*2 $1 0 *4 $1 a $1 1 $1 b $3 2.5"),
            ("ZSCAN z 0 NOSCORES", "*2 $1 0 *2 $1 a $1 b"),
            ("ZSCAN z 0 MATCH b noscores", "*2 $1 0 *1 $1 b"),
        ],
    );
}

#[test]
fn a_scan_writes_scores_as_the_form_keeps_them() {
    let mut session = TestSession::new(&[("zset-max-listpack-entries", "0")]);
    check(
        &mut session,
        &[
            ("ZADD z 1.1 a", ":1"),
            ("ZSCAN z 0", "*2 $1 0 *2 $1 a $18 1.1000000000000001"),
            ("ZSCORE z a", "$3 1.1"),
        ],
    );
    check(
        &mut new_session(),
        &[
            ("ZADD z 1.1 a", ":1"),
            ("ZSCAN z 0", "*2 $1 0 *2 $1 a $3 1.1"),
        ],
    );
}

#[test]
fn random_members_are_members() {
    for entries in ["0", "128"] {
        let mut session = TestSession::new(&[("zset-max-listpack-entries", entries)]);
        for n in 0..30 {
            session.run(&format!("ZADD z {n} m{n}"));
        }
        let mut seen = BTreeSet::new();
        for _ in 0..400 {
            let reply = session.run("ZRANDMEMBER z");
            seen.insert(reply);
        }
        assert_eq!(seen.len(), 30, "every member comes up");
        for count in [1, 5, 20, 29, 30, 40] {
            let reply = session.run(&format!("ZRANDMEMBER z {count} WITHSCORES"));
            let words: Vec<&str> = reply.split(' ').collect();
            // The head of the array, then of each pair: two lengths, member, score.
            let pairs: BTreeSet<(&str, &str)> = words[1..]
                .chunks(4)
                .map(|pair| (pair[1], pair[3]))
                .collect();
            assert_eq!(pairs.len(), count.min(30), "the members are different");
            assert!(pairs.iter().all(|(member, score)| member[1..] == **score));
        }
        let reply = session.run("ZRANDMEMBER z -50");
        assert!(reply.starts_with("*50 "), "{reply}");
    }
}
