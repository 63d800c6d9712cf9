//! Publishing and subscribing, and keyspace events of values of every form.

use oxidis_testkit::transcript::Protocol;

use super::case::{Case, Peer};
use super::expected::{Expected, NIL, any_order, array, nothing, push};

bodies! {
    PLAIN: [
        channels,
        patterns,
        shard_channels,
        what_subscribers_may_do,
        who_is_subscribed,
    ],
    ALL: [keyspace_events],
}

/// What a subscriber is told of its own subscriptions.
fn told(kind: &str, name: impl Into<Expected>, count: i64) -> Expected {
    push([kind.into(), name.into(), count.into()])
}

#[track_caller]
fn message(subscriber: &mut Peer, channel: &str, text: &str) {
    subscriber.receive(push(["message".into(), channel.into(), text.into()]));
}

fn channels(case: &mut Case<'_>) {
    let (mut one, mut both) = (case.peer(), case.peer());
    one.expect("SUBSCRIBE a", told("subscribe", "a", 1));
    both.expect("SUBSCRIBE a b", told("subscribe", "a", 1));
    both.receive(told("subscribe", "b", 2));
    case.expect("PUBLISH a hello", 2);
    case.expect("PUBLISH b \"\\x00\\r\\n\"", 1);
    case.expect("PUBLISH c x", 0);
    message(&mut one, "a", "hello");
    message(&mut both, "a", "hello");
    message(&mut both, "b", "\0\r\n");
    both.expect("UNSUBSCRIBE a", told("unsubscribe", "a", 1));
    case.expect("PUBLISH a again", 1);
    message(&mut one, "a", "again");
    both.expect("UNSUBSCRIBE", told("unsubscribe", "b", 0));
    both.expect("UNSUBSCRIBE", told("unsubscribe", NIL, 0));
    both.expect("UNSUBSCRIBE x", told("unsubscribe", "x", 0));
    // It is a client like any other again.
    both.expect("GET k", NIL);
}

fn patterns(case: &mut Case<'_>) {
    let mut subscriber = case.peer();
    subscriber.expect("PSUBSCRIBE news.* *.today", told("psubscribe", "news.*", 1));
    subscriber.receive(told("psubscribe", "*.today", 2));
    subscriber.expect("SUBSCRIBE news.today", told("subscribe", "news.today", 3));
    // Once for the channel, and then once for each pattern, in whatever order.
    case.expect("PUBLISH news.today x", 3);
    message(&mut subscriber, "news.today", "x");
    let of_pattern = |pattern| push(["pmessage", pattern, "news.today", "x"].map(Expected::from));
    subscriber.receive_in_any_order(&[of_pattern("news.*"), of_pattern("*.today")]);
    case.expect("PUBSUB NUMPAT", 2);
    subscriber.expect("PUNSUBSCRIBE news.*", told("punsubscribe", "news.*", 2));
    case.expect("PUBLISH news.x y", 0);
    subscriber.expect("PUNSUBSCRIBE", told("punsubscribe", "*.today", 1));
    case.expect("PUBSUB NUMPAT", 0);
}

fn shard_channels(case: &mut Case<'_>) {
    let mut subscriber = case.peer();
    subscriber.expect("SSUBSCRIBE a", told("ssubscribe", "a", 1));
    case.expect("SPUBLISH a x", 1);
    subscriber.receive(push(["smessage".into(), "a".into(), "x".into()]));
    // They are channels of their own.
    case.expect("PUBLISH a x", 0);
    case.expect("PUBSUB SHARDCHANNELS", ["a"]);
    case.expect(
        "PUBSUB SHARDNUMSUB a b",
        array(["a".into(), 1.into(), "b".into(), 0.into()]),
    );
    case.expect("PUBSUB CHANNELS", nothing());
    subscriber.expect("SUNSUBSCRIBE a", told("sunsubscribe", "a", 0));
    case.expect("SPUBLISH a x", 0);
}

fn what_subscribers_may_do(case: &mut Case<'_>) {
    let mut subscriber = case.peer();
    subscriber.expect("SUBSCRIBE a", told("subscribe", "a", 1));
    match case.protocol() {
        Protocol::Resp2 => {
            subscriber.expect("PING", ["pong", ""]);
            subscriber.expect("PING x", ["pong", "x"]);
            subscriber.fails(
                "GET k",
                "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
            );
        }
        Protocol::Resp3 => {
            subscriber.expect("PING", Expected::Simple("PONG"));
            subscriber.expect("PING x", "x");
            subscriber.expect("GET k", NIL);
        }
    }
    subscriber.expect("RESET", Expected::Simple("RESET"));
    case.expect("PUBLISH a x", 0);
    // RESET goes back to RESP2, whose nulls are others.
    assert_eq!(subscriber.run("GET k"), oxidis_testkit::Reply::NullBulk);
}

fn who_is_subscribed(case: &mut Case<'_>) {
    let (mut one, mut other) = (case.peer(), case.peer());
    one.expect("SUBSCRIBE a", told("subscribe", "a", 1));
    other.expect("SUBSCRIBE a", told("subscribe", "a", 1));
    other.expect("SUBSCRIBE ab", told("subscribe", "ab", 2));
    case.expect("PUBSUB CHANNELS", any_order(["a", "ab"]));
    case.expect("PUBSUB CHANNELS ?b", ["ab"]);
    case.expect(
        "PUBSUB NUMSUB a ab c",
        array([
            "a".into(),
            2.into(),
            "ab".into(),
            1.into(),
            "c".into(),
            0.into(),
        ]),
    );
    case.expect("PUBSUB NUMSUB", nothing());
    drop(other);
    case.wait_until(|case| {
        case.run("PUBSUB CHANNELS")
            .elements()
            .is_some_and(|it| it.len() == 1)
    });
}

fn keyspace_events(case: &mut Case<'_>) {
    case.ok("CONFIG SET notify-keyspace-events KEA");
    case.make("k");
    let mut subscriber = case.peer();
    subscriber.expect("PSUBSCRIBE __key*__:*", told("psubscribe", "__key*__:*", 1));
    case.ok("RENAME k to");
    case.expect("EXPIRE to 1000", 1);
    case.expect("PERSIST to", 1);
    case.encoded("to");
    case.expect("DEL to", 1);
    let events = [
        ("rename_from", "k"),
        ("rename_to", "to"),
        ("expire", "to"),
        ("persist", "to"),
        ("del", "to"),
    ];
    for (event, key) in events {
        let of_the_key = format!("__keyspace@0__:{key}");
        let of_the_event = format!("__keyevent@0__:{event}");
        for (channel, text) in [(of_the_key, event), (of_the_event, key)] {
            let elements = ["pmessage", "__key*__:*", &channel, text];
            subscriber.receive(push(elements.map(Expected::from)));
        }
    }
}
